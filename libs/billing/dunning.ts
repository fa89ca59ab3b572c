import { DAY, formatAmount, formatInstant, readInstant, type Instant } from '#libs/kernel';
import type { InvoiceEvent, PaymentRequested, RequestedMethod } from './invoice-events.js';
import { dueOf, evolveInvoice, type InvoiceState } from './invoice.js';

/** What time makes of an invoice that is to be collected, and when. */
export interface DunningStep {
  readonly at: Instant;
  /** `ask`: payment is asked for; `overdue`: it did not come in time; `give up`: the policy ends. */
  readonly do: 'ask' | 'overdue' | 'give up';
}

/**
 * The next step; null: time changes nothing. Payment is asked for when the invoice is issued, and on the days of the policy
 * after it became unpaid: by a failure, or because the due date passed. It is given up at the end of the grace days, but
 * never before the last retry had a day.
 */
export function nextStep({ status, sealed, final, attempts, unpaidAt }: InvoiceState): DunningStep | null {
  const policy = sealed?.dunning;
  if (!policy || !final || (status !== 'issued' && status !== 'unpaid')) return null;
  if (attempts.length === 0) return { at: readInstant(final.issuedAt), do: 'ask' };
  if (unpaidAt === null) return { at: readInstant(final.dueAt), do: 'overdue' };
  const { graceDays, retryDays } = policy;
  const retries = attempts.filter(({ cause }) => cause === 'retry').length;
  const day = retryDays[retries];
  if (day !== undefined) return { at: unpaidAt + day * DAY, do: 'ask' };
  const last = retryDays.at(-1);
  return { at: unpaidAt + Math.max(graceDays, last === undefined ? 0 : last + 1) * DAY, do: 'give up' };
}

/**
 * The facts that time has made due up to and including `now`, each at its own instant. Settling late is settling often.
 * @param methods of the customer, in order: each round of attempts begins with the first one
 */
export function dueFacts(
  before: InvoiceState,
  now: Instant,
  methods: readonly RequestedMethod[],
): readonly InvoiceEvent[] {
  const facts: InvoiceEvent[] = [];
  let state = before;
  for (let step = nextStep(state); step !== null && step.at <= now; step = nextStep(state)) {
    const fact = factOf(state, step, methods[0]);
    facts.push(fact);
    state = evolveInvoice(state, fact);
  }
  return facts;
}

/** The invoice as those facts leave it. */
export const settledInvoice = (
  state: InvoiceState,
  now: Instant,
  methods: readonly RequestedMethod[] = [],
): InvoiceState => dueFacts(state, now, methods).reduce(evolveInvoice, state);

function factOf(state: InvoiceState, step: DunningStep, method: RequestedMethod | undefined): InvoiceEvent {
  const at = formatInstant(step.at);
  switch (step.do) {
    case 'ask':
      return paymentRequest(state, state.attempts.length === 0 ? 'issued' : 'retry', method, step.at);
    case 'overdue':
      return { type: 'InvoiceUnpaid', data: { reason: 'past_due', at } };
    case 'give up': {
      const { dunning, subscriptionId } = state.sealed!;
      const action = SUBSCRIPTION_ACTIONS[dunning!.endAction];
      const subscription = action === null || subscriptionId === undefined ? {} : { subscription: action };
      return { type: 'InvoiceUncollectible', data: { reason: 'dunning_ended', ...subscription, at } };
    }
  }
}

const SUBSCRIPTION_ACTIONS = {
  uncollectible: null,
  pause_subscription: 'pause',
  cancel_subscription: 'cancel',
} as const;

/** Asks for all that is due, as the next attempt. */
export const paymentRequest = (
  state: InvoiceState,
  cause: PaymentRequested['cause'],
  method: RequestedMethod | undefined,
  at: Instant,
): InvoiceEvent => ({
  type: 'PaymentRequested',
  data: {
    attempt: state.attempts.length + 1,
    cause,
    ...(method === undefined ? {} : { method }),
    amount: formatAmount(dueOf(state)),
    at: formatInstant(at),
  },
});
