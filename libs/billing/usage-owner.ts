import type { Instant } from '#libs/kernel';
import { usageSpans, type UsageSpan } from './due-charges.js';
import type { Member, Timeline } from './timeline.js';
import type { UsageFact } from './usage-facts.js';

/** A subscription as far as it may be charged for usage. */
export interface UsageCounter {
  readonly id: string;
  readonly customerId: string;
  /** Of its first fact. */
  readonly createdPosition: bigint;
  readonly members: readonly Member[];
  readonly spans: readonly UsageSpan[];
}

export const usageCounter = (timeline: Timeline, createdPosition: bigint): UsageCounter => ({
  id: timeline.state.id,
  customerId: timeline.state.customerId,
  createdPosition,
  members: timeline.members,
  spans: usageSpans(timeline),
});

type Used = Pick<UsageFact, 'customerId' | 'position' | 'at' | 'meterId'>;

/** The terms that usage is charged by; undefined: they do not count this metric then. */
export const spanOf = (
  spans: readonly UsageSpan[],
  { meterId, at }: { readonly meterId: string; readonly at: Instant },
): UsageSpan | undefined =>
  spans.find(({ component, from, to }) => component.metric_id === meterId && from <= at && at < to);

/** Whether a subscription counts usage of that user and metric then. */
export const counts = ({ members, spans }: UsageCounter, used: Used): boolean =>
  members.some((one) => one.customerId === used.customerId && one.from <= used.at && used.at < one.to) &&
  spanOf(spans, used) !== undefined;

/**
 * The one subscription that is charged for usage, of all that count it: those that there were when it was recorded come first,
 * the user's own before the organisation's, then the oldest. One that was made later, to begin earlier, so takes nothing
 * that another may have been charged for.
 */
export function ownerOf(counters: readonly UsageCounter[], used: Used): UsageCounter | undefined {
  const later = ({ createdPosition }: UsageCounter): boolean => createdPosition > used.position;
  const foreign = (one: UsageCounter): boolean => !later(one) && one.customerId !== used.customerId;
  return counters
    .filter((one) => counts(one, used))
    .sort(
      (a, b) =>
        Number(later(a)) - Number(later(b)) ||
        Number(foreign(a)) - Number(foreign(b)) ||
        (a.createdPosition < b.createdPosition ? -1 : 1),
    )[0];
}
