import { evolve, type PlanTerms, type Subscription, type SubscriptionEvent } from '#libs/subscriptions';

/** Terms of a plan with one credit definition of each kind: per seat, pooled, and none for seats. */
export const terms = (planId: string, members: Partial<PlanTerms> = {}): PlanTerms => ({
  planId,
  stablePlanId: planId,
  versionNumber: 1,
  planName: planId,
  priceId: `price-${planId}`,
  currency: 'USD',
  components: [
    {
      id: `c-${planId}`,
      type: 'fixed',
      label: 'Base',
      amount_cents: '1000',
      recurrence_rule: 'FREQ=MONTHLY',
    },
  ],
  features: [],
  credits: [
    { definitionId: `${planId}-seat`, seats: 'per_seat' },
    { definitionId: `${planId}-pool`, seats: 'pooled' },
    { definitionId: `${planId}-money` },
  ],
  rule: 'FREQ=MONTHLY',
  zone: 'UTC',
  ...members,
});

export const fold = (events: readonly SubscriptionEvent[]): Subscription =>
  events.reduce<Subscription | null>(evolve, null)!;
