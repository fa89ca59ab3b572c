import { formatAmount, readAmount, type Amount, type Instant, type Json } from '#libs/kernel';
import type {
  ConsumptionRefused,
  CreditEvent,
  CreditsConsumed,
  GrantIssued,
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
  { endedAs }: Pick<GrantProgress, 'endedAs'>,
  effectiveAt: Instant,
  expiresAt: Instant | null,
  now: Instant,
): GrantStatus {
  if (endedAs === 'depleted') return 'DEPLETED';
  if (endedAs === 'voided') return 'REVOKED';
  if (endedAs === 'expired' || (expiresAt !== null && expiresAt <= now)) return 'EXPIRED';
  return effectiveAt <= now ? 'ACTIVE' : 'SCHEDULED';
}

/** A grant as the API shows it. A grant that has expired by time has nothing left, whether that is recorded or not. */
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

/** A consumption as the API shows it; a refusal has the same shape with nothing drawn. */
export function consumptionAnswer(
  customerId: string,
  event:
    | { readonly type: 'CreditsConsumed'; readonly data: CreditsConsumed }
    | { readonly type: 'ConsumptionRefused'; readonly data: ConsumptionRefused },
) {
  const { data } = event;
  const drew = event.type === 'CreditsConsumed' ? event.data : null;
  const refusal = event.type === 'ConsumptionRefused' ? event.data : null;
  return {
    id: data.consumptionId,
    customerId,
    status: refusal ? 'refused' : statusOf(event.data as CreditsConsumed),
    unit: data.unit,
    requested: data.requested,
    consumed: drew?.consumed ?? '0',
    shortfall: drew?.shortfall ?? data.requested,
    debt: drew?.debt ?? '0',
    onShortage: data.onShortage,
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
export type ConsumptionAnswer = ReturnType<typeof consumptionAnswer>;

function statusOf({ shortfall, onShortage }: CreditsConsumed): ConsumptionStatus {
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

/** The consumption among a command's events, if it made one. */
export const consumptionAmong = (events: readonly CreditEvent[]) =>
  events.find((event) => event.type === 'CreditsConsumed' || event.type === 'ConsumptionRefused');
