import type { Instant } from '#libs/kernel';
import type { Closing } from './closing.js';
import { endedPeriods, isDueNow, usagePeriod, usageSpans, type UsageSpan } from './due-charges.js';
import type { Timeline } from './timeline.js';
import type { UsageFact } from './usage-facts.js';
import { spanOf } from './usage-owner.js';

/** The usage of one period that one line charges. */
export interface UsageGroup {
  readonly span: UsageSpan;
  readonly period: { readonly start: Instant; readonly end: Instant };
  readonly facts: UsageFact[];
  /** Of the same period, charged before. */
  readonly before: UsageFact[];
}

export interface PlacedUsage {
  readonly groups: readonly UsageGroup[];
  readonly openFrom: ReadonlyMap<string, number>;
}

/** Usage by the line that charges it; what was charged before is told apart. Where nothing was used, a period that ends has its line. */
export function placeUsage(
  facts: readonly UsageFact[],
  timeline: Timeline,
  belongs: (fact: UsageFact) => boolean,
  closed: Closing | null,
  closing: Closing,
): PlacedUsage {
  const spans = usageSpans(timeline);
  const groups = new Map<UsageSpan, Map<Instant, UsageGroup>>(spans.map((span) => [span, new Map()]));
  const groupOf = (span: UsageSpan, period: UsageGroup['period']): UsageGroup => {
    const known = groups.get(span)!;
    let group = known.get(period.start);
    if (!group) known.set(period.start, (group = { span, period, facts: [], before: [] }));
    return group;
  };
  for (const span of spans)
    for (const period of endedPeriods(span, closed?.bound ?? null, closing.bound)) groupOf(span, period);

  const closedThrough = new Map(closed?.accounts.map((one) => [one.customerId, one.throughRevision]));
  const openFrom = new Map<string, number>();
  const stays = ({ customerId, revision }: UsageFact): void =>
    void openFrom.set(customerId, Math.min(revision, openFrom.get(customerId) ?? revision));
  const periods = new Map<UsageSpan, UsageGroup['period']>();
  for (const fact of facts) {
    const { customerId, revision, at } = fact;
    const span = spanOf(spans, fact);
    if (!span || !belongs(fact)) {
      // terms and seats may yet change from the beginning of the current period on
      if (at >= timeline.state.period.start) stays(fact);
      continue;
    }
    let period: UsageGroup['period'] | null | undefined = periods.get(span);
    if (!period || at < period.start || at >= period.end) period = usagePeriod(span, at);
    if (!period) continue;
    periods.set(span, period);
    if (period.end > closing.bound.at) stays(fact);
    else {
      const bound = closed && {
        at: closed.bound.at,
        revision: closedThrough.get(customerId) ?? -1,
      };
      const isNew = isDueNow(period.end, revision, bound, { at: closing.bound.at, revision: Infinity });
      groupOf(span, period)[isNew ? 'facts' : 'before'].push(fact);
    }
  }
  const isEnding = ({ period }: UsageGroup): boolean => closed === null || period.end > closed.bound.at;
  return {
    groups: [...groups.values()]
      .flatMap((byStart) => [...byStart.values()])
      .filter((group) => group.facts.length > 0 || isEnding(group)),
    openFrom,
  };
}
