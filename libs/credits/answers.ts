import { formatAmount, readAmount, type Amount, type Instant, type Json } from '#libs/kernel';
import type {
  ConsumptionRefused,
  ConsumptionReversed,
  CreditEvent,
  CreditsConsumed,
  GrantAmended,
  GrantEdited,
  GrantIssued,
  HoldCaptured,
  HoldPlaced,
  HoldReleased,
  RenewalBegun,
  RolloverPolicy,
  ShortagePolicy,
  UsageRecorded,
} from './events.js';

/** What a fact looks like from outside. Functions of recorded events alone, so an answer can be given again to the byte. */

export type GrantStatus = 'ACTIVE' | 'SCHEDULED' | 'DEPLETED' | 'EXPIRED' | 'REVOKED';

/** How far a grant has come, recorded facts only. */
export interface GrantProgress {
  readonly remaining: Amount;
  readonly held: Amount;
  readonly endedAs: 'depleted' | 'expired' | 'voided' | null;
}

/** The status at an instant: time alone makes a grant active at `effectiveAt` and expired at `expiresAt`. */
export function grantStatus(
  { endedAs, held = 0n }: Pick<GrantProgress, 'endedAs'> & Partial<Pick<GrantProgress, 'held'>>,
  effectiveAt: Instant,
  expiresAt: Instant | null,
  now: Instant,
): GrantStatus {
  if (endedAs === 'depleted' && held === 0n) return 'DEPLETED'; // what is held may come back
  if (endedAs === 'voided') return 'REVOKED';
  if (endedAs === 'expired' || (expiresAt !== null && expiresAt <= now)) return 'EXPIRED';
  return effectiveAt <= now ? 'ACTIVE' : 'SCHEDULED';
}

/** What was issued as it holds after the grant was amended or edited: what an answer shows. */
export function changedGrant(
  issued: GrantIssued,
  change:
    | { readonly type: 'GrantAmended'; readonly data: GrantAmended }
    | { readonly type: 'GrantEdited'; readonly data: GrantEdited },
): GrantIssued {
  if (change.type === 'GrantAmended') {
    const { amount, effectiveAt, expiresAt } = change.data;
    const { expiresAt: _, ...rest } = issued;
    return { ...rest, amount, effectiveAt, ...(expiresAt === undefined ? {} : { expiresAt }) };
  }
  const { name, description, notes, referenceCode, metadata, priority } = change.data;
  const set = { name, description, notes, referenceCode, metadata };
  const after: Record<string, unknown> = { ...issued, ...(priority === undefined ? {} : { priority }) };
  for (const [member, value] of Object.entries(set))
    if (value === null) delete after[member];
    else if (value !== undefined) after[member] = value;
  return after as unknown as GrantIssued;
}

/**
 * A grant as the API shows it. A grant that has expired by time has nothing left, whether that is recorded or not.
 * @param data as issued, or as changed since
 */
export function grantAnswer(customerId: string, data: GrantIssued, progress: GrantProgress, now: Instant) {
  const { applicability, links } = data;
  const expiresAt = data.expiresAt === undefined ? null : Date.parse(data.expiresAt);
  const status = grantStatus(progress, Date.parse(data.effectiveAt), expiresAt, now);
  return {
    id: data.grantId,
    parentGrantId: data.parentId ?? null,
    customerId,
    creditDefinitionId: data.definitionId ?? null,
    applicationType: data.applicationType ?? null,
    name: data.name ?? null,
    description: data.description ?? null,
    unit: data.unit,
    currency: data.applicationType === 'monetary' ? data.unit : null,
    initialAmount: data.amount,
    remainingAmount: formatAmount(status === 'EXPIRED' || status === 'REVOKED' ? 0n : progress.remaining),
    heldAmount: formatAmount(progress.held),
    status,
    source: data.source,
    category: data.category,
    costBasis: data.costBasis,
    scope: data.scope,
    priority: data.priority,
    planId: links?.planId ?? null,
    featureId: links?.featureId ?? null,
    featureSlug: links?.featureSlug ?? null,
    priceId: links?.priceId ?? null,
    priceComponentId: links?.priceComponentId ?? null,
    applicability: applicability ?? null,
    billingVisible: data.billingVisible ?? false,
    startDate: data.effectiveAt,
    expiryDate: data.expiresAt ?? null,
    referenceCode: data.referenceCode ?? null,
    uniquenessKey: data.uniquenessKey ?? null,
    notes: data.notes ?? null,
    metadata: data.metadata ?? {},
    createdAt: data.issuedAt,
  };
}
export type GrantAnswer = ReturnType<typeof grantAnswer>;

/** The segments of one access schedule as one grant: amounts are sums, the window spans them all. */
export function scheduleAnswer(
  segments: readonly GrantAnswer[],
): GrantAnswer & { segments: readonly GrantAnswer[] } {
  const first = segments[0]!;
  const sum = (pick: (segment: GrantAnswer) => string): string =>
    formatAmount(segments.reduce((total, segment) => total + readAmount(pick(segment)), 0n));
  const statuses = new Set(segments.map(({ status }) => status));
  const ends = segments.map(({ expiryDate }) => expiryDate);
  return {
    ...first,
    id: first.parentGrantId ?? first.id,
    parentGrantId: null,
    initialAmount: sum(({ initialAmount }) => initialAmount),
    remainingAmount: sum(({ remainingAmount }) => remainingAmount),
    heldAmount: sum(({ heldAmount }) => heldAmount),
    status: STATUS_ORDER.find((status) => statuses.has(status)) ?? first.status,
    startDate: segments.map(({ startDate }) => startDate).sort()[0]!,
    expiryDate: ends.includes(null) ? null : (ends.sort().at(-1) ?? null),
    segments,
  };
}

/** A schedule is what its liveliest segment is. */
const STATUS_ORDER: readonly GrantStatus[] = ['ACTIVE', 'SCHEDULED', 'DEPLETED', 'EXPIRED', 'REVOKED'];

export type ConsumptionStatus = 'consumed' | 'partial' | 'pending' | 'overage' | 'refused';

/**
 * A consumption as the API shows it; a refusal has the same shape with nothing drawn, a captured hold is one that drew all
 * it asked for.
 * @param reversed sum of what was taken back of it
 */
export function consumptionAnswer(
  customerId: string,
  event:
    | { readonly type: 'CreditsConsumed'; readonly data: CreditsConsumed }
    | { readonly type: 'ConsumptionRefused'; readonly data: ConsumptionRefused }
    | { readonly type: 'HoldCaptured'; readonly data: HoldCaptured },
  reversed = '0',
): ConsumptionAnswer {
  return event.type === 'HoldCaptured'
    ? captureAnswer(customerId, event.data, reversed)
    : shortableAnswer(customerId, event, reversed);
}

function shortableAnswer(
  customerId: string,
  event:
    | { readonly type: 'CreditsConsumed'; readonly data: CreditsConsumed }
    | { readonly type: 'ConsumptionRefused'; readonly data: ConsumptionRefused },
  reversed: string,
) {
  const { data } = event;
  const drew = event.type === 'CreditsConsumed' ? event.data : null;
  const refusal = event.type === 'ConsumptionRefused' ? event.data : null;
  return {
    id: data.consumptionId,
    customerId,
    status: drew ? consumptionStatus(drew) : 'refused',
    unit: data.unit,
    requested: data.requested,
    consumed: drew?.consumed ?? '0',
    shortfall: drew?.shortfall ?? data.requested,
    debt: drew?.debt ?? '0',
    reversed,
    onShortage: data.onShortage as ShortagePolicy | null,
    allocations: drew?.allocations ?? [],
    balanceAfter: drew?.balanceAfter ?? null,
    debtAfter: drew?.debtAfter ?? null,
    availableAfter: drew?.availableAfter ?? refusal?.available ?? null,
    reason: refusal?.reason ?? null,
    effectiveAt: data.effectiveAt,
    rating: data.rating ?? null,
    reference: data.reference ?? null,
    context: data.context ?? null,
  };
}
export type ConsumptionAnswer = ReturnType<typeof shortableAnswer>;

function captureAnswer(customerId: string, data: HoldCaptured, reversed: string): ConsumptionAnswer {
  return {
    id: data.holdId,
    customerId,
    status: 'consumed',
    unit: data.unit,
    requested: data.captured,
    consumed: data.captured,
    shortfall: '0',
    debt: '0',
    reversed,
    onShortage: null,
    allocations: data.allocations
      .filter(({ amount }) => amount !== '0')
      .map(({ grantId, amount, remainingAfter }) => ({ grantId, amount, remainingAfter })),
    balanceAfter: data.balanceAfter,
    debtAfter: null,
    availableAfter: null,
    reason: null,
    effectiveAt: data.effectiveAt,
    rating: null,
    reference: data.reference ?? null,
    context: data.context ?? null,
  };
}

/** What a consumption is called by how much of it grants paid. */
export function consumptionStatus({
  shortfall,
  onShortage,
}: Pick<CreditsConsumed, 'shortfall' | 'onShortage'>): ConsumptionStatus {
  if (shortfall === '0') return 'consumed';
  return onShortage === 'refuse' ? 'refused' : onShortage;
}

/** A usage event as the API shows it. */
export function usageAnswer(
  customerId: string,
  { usage, effectiveAt }: Pick<UsageRecorded, 'usage' | 'effectiveAt'>,
  recordedAt: string,
) {
  return {
    id: usage.eventId,
    eventName: usage.eventName,
    customerId,
    meterId: usage.meterId,
    eventValue: usage.value ?? null,
    eventString: usage.text ?? null,
    eventTimestamp: effectiveAt,
    idempotencyKey: usage.idempotencyKey ?? null,
    properties: (usage.properties ?? {}) as Json,
    createdAt: recordedAt,
  };
}
export type UsageAnswer = ReturnType<typeof usageAnswer>;

export type HoldStatus = 'held' | 'captured' | 'released' | 'expired';

/** A hold as the API shows it, with how it ended if it did. A hold whose time has run out is expired, recorded or not. */
export function holdAnswer(
  customerId: string,
  placed: HoldPlaced,
  end:
    | { readonly type: 'HoldCaptured'; readonly data: HoldCaptured }
    | { readonly type: 'HoldReleased'; readonly data: HoldReleased }
    | null,
  now: Instant,
) {
  const timedOut = placed.expiresAt !== undefined && Date.parse(placed.expiresAt) <= now;
  return {
    id: placed.holdId,
    customerId,
    status: holdStatus(end, timedOut),
    unit: placed.unit,
    requested: placed.requested,
    amount: placed.amount,
    captured: end?.type === 'HoldCaptured' ? end.data.captured : '0',
    released: end?.data.released ?? (timedOut ? placed.amount : '0'),
    allocations: placed.allocations.map(({ grantId, amount }) => ({ grantId, amount })),
    onShortage: placed.onShortage,
    balanceAfter: (end?.data ?? placed).balanceAfter,
    heldAfter: (end?.data ?? placed).heldAfter,
    moreConsumptionId: end?.type === 'HoldCaptured' ? (end.data.moreConsumptionId ?? null) : null,
    effectiveAt: placed.effectiveAt,
    expiresAt: placed.expiresAt ?? null,
    reference: placed.reference ?? null,
    context: placed.context ?? null,
    createdAt: placed.placedAt,
  };
}
export type HoldAnswer = ReturnType<typeof holdAnswer>;

function holdStatus(
  end:
    { readonly type: 'HoldCaptured' } | { readonly type: 'HoldReleased'; readonly data: HoldReleased } | null,
  timedOut: boolean,
): HoldStatus {
  if (end?.type === 'HoldCaptured') return 'captured';
  if (end) return end.data.cause === 'timed_out' ? 'expired' : 'released';
  return timedOut ? 'expired' : 'held';
}

/** A reversal as the API shows it. */
export const reversalAnswer = (customerId: string, data: ConsumptionReversed) => ({
  id: data.reversalId,
  customerId,
  consumptionId: data.consumptionId,
  unit: data.unit,
  amount: data.amount,
  uncovered: data.uncovered,
  debt: data.debt,
  allocations: data.allocations.map((part) => ({ ...part, forfeited: part.forfeited ?? null })),
  reversedTotal: data.reversedTotal,
  balanceAfter: data.balanceAfter,
  debtAfter: data.debtAfter,
  reason: data.reason,
  createdAt: data.reversedAt,
});
export type ReversalAnswer = ReturnType<typeof reversalAnswer>;

/** How far a series has come. */
export interface SeriesProgress {
  readonly status: 'active' | 'paused' | 'cancelled';
  readonly occurrence: number;
  readonly lastAt: string;
  readonly nextAt: string | null;
}

/** A renewal series as the API shows it; one whose rule has no occurrence left has ended. */
export const seriesAnswer = (customerId: string, begun: RenewalBegun, progress: SeriesProgress) => ({
  id: begun.seriesId,
  customerId,
  creditDefinitionId: begun.template.definitionId ?? null,
  unit: begun.unit,
  status:
    progress.status === 'active' && begun.rule !== undefined && progress.nextAt === null
      ? ('ended' as const)
      : progress.status,
  renewOnBilling: begun.rule === undefined,
  refillRrule: begun.rule ?? null,
  timezone: begun.zone,
  anchor: begun.anchor,
  refillAmount: begun.template.amount,
  expiryDays: 'days' in begun.lifetime ? begun.lifetime.days : null,
  lifetimePeriods: 'periods' in begun.lifetime ? begun.lifetime.periods : null,
  rollover: rolloverAnswer(begun.rollover),
  occurrence: progress.occurrence,
  lastRenewalAt: progress.lastAt,
  nextRenewalAt: progress.status === 'active' ? progress.nextAt : null,
  createdAt: begun.begunAt,
});
/** As a caller writes it. */
const rolloverAnswer = ({ kind, ...caps }: RolloverPolicy) => ({ policy: kind, ...caps });

export type SeriesAnswer = ReturnType<typeof seriesAnswer>;

/** The consumption among a command's events, if it made one. */
export const consumptionAmong = (events: readonly CreditEvent[]) =>
  events.find((event) => event.type === 'CreditsConsumed' || event.type === 'ConsumptionRefused');
