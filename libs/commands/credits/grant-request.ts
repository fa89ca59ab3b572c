import {
  DAY,
  formatAmount,
  issue,
  LAST_INSTANT,
  parseAmount,
  parseInstant,
  type Instant,
  type Issue,
} from '#libs/kernel';
import { segmentId, type Applicability, type GrantCategory, type NewGrant } from '#libs/credits';
import type { Document, Unit } from '#libs/catalog';
import { positiveAmount, unacceptable } from './amounts.js';
import type { RenewalRequest, TemplateRenewal } from './renewal-terms.js';

/** `POST /v1/credits/grants`, its shape checked. Amounts as the caller wrote them, times ISO 8601. */
export interface GrantRequest {
  readonly id?: string;
  readonly customerId: string;
  readonly creditDefinitionId?: string;
  readonly initialAmount?: string | number;
  readonly unit?: string;
  readonly amount?: string | number;
  readonly accessSchedule?: readonly {
    readonly amount: string | number;
    readonly startDate?: string;
    readonly expiryDate?: string;
  }[];
  readonly source?: string;
  readonly category?: GrantCategory;
  readonly costBasis?: string | number;
  readonly priority?: number;
  readonly startDate?: string;
  readonly expiryDate?: string;
  readonly name?: string;
  readonly description?: string;
  readonly referenceCode?: string;
  readonly notes?: string;
  readonly billingVisible?: boolean;
  readonly applicability?: Omit<Applicability, 'meters'>;
  readonly uniquenessKey?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Ad hoc only: a definition brings its own. */
  readonly renewal?: RenewalRequest;
}

/** What a grant takes from its definition, or from an ad hoc request. */
export interface Template {
  readonly unit: Document<Unit>;
  readonly amount: unknown;
  readonly attributes: Partial<Omit<NewGrant, 'grantId' | 'unit' | 'amount' | 'effectiveAt' | 'expiresAt'>>;
  readonly priority?: number;
  readonly expiryDays?: number;
  readonly pointer: string;
  /** Set when the grant begins a series. */
  readonly renewal?: TemplateRenewal;
}

/** Most segments one access schedule may have. */
const MAX_SEGMENTS = 100;

/** Checks amounts and windows; what is left open is filled in once the time of the command is known. */
export function segmentsOf(
  request: GrantRequest,
  { unit, amount, attributes, priority, expiryDays, pointer }: Template,
  grantId: string,
): (now: Instant) => readonly NewGrant[] {
  const issues: Issue[] = [];
  const schedule = request.accessSchedule;
  if (schedule && (schedule.length === 0 || schedule.length > MAX_SEGMENTS))
    issues.push(issue('/accessSchedule', 'length', `1 to ${MAX_SEGMENTS} segments`));
  const segments = (
    schedule ?? [{ amount, startDate: request.startDate, expiryDate: request.expiryDate }]
  ).map((segment, index) => {
    const at = schedule ? `/accessSchedule/${index}` : '';
    const value = positiveAmount(segment.amount, unit, schedule ? `${at}/amount` : pointer, issues);
    const start = segment.startDate === undefined ? undefined : parseInstant(segment.startDate)!;
    const end = segment.expiryDate === undefined ? undefined : parseInstant(segment.expiryDate)!;
    if (start !== undefined && end !== undefined && end <= start)
      issues.push(issue(`${at}/expiryDate`, 'not_after_start', 'must lie after startDate'));
    return { value, start, end };
  });
  const costBasis = costBasisOf(request, issues);
  if (issues.length > 0) throw unacceptable(issues);
  const source = request.source ?? 'manual';
  const category = request.category ?? (source === 'topup' ? 'paid' : 'promotional');
  return (now) =>
    segments.map(
      (
        { value, start = now, end = expiryDays === undefined ? undefined : start + expiryDays * DAY },
        index,
      ) => {
        if (end !== undefined && end > LAST_INSTANT)
          throw unacceptable([issue('/expiryDate', 'out_of_range', 'must not lie after the year 9999')]);
        if (end !== undefined && end <= start)
          throw unacceptable([issue('/expiryDate', 'not_after_start', 'must lie after the start')]);
        return {
          ...attributes,
          grantId: schedule ? segmentId(grantId, index) : grantId,
          ...(schedule ? { parentId: grantId } : {}),
          unit: unit.id,
          amount: value,
          effectiveAt: start,
          ...(end === undefined ? {} : { expiresAt: end }),
          priority: request.priority ?? priority ?? 50,
          category,
          source,
          kind: source === 'rollover' ? 'rollover' : 'prepaid',
          scope: attributes.scope ?? 'merchant',
          costBasis: costBasis ?? (category === 'paid' ? '1' : '0'),
          ...definedMembers(request),
        };
      },
    );
}

const COPIED = [
  'name',
  'description',
  'referenceCode',
  'notes',
  'billingVisible',
  'uniquenessKey',
  'metadata',
] as const;

function definedMembers(request: GrantRequest): Partial<Pick<GrantRequest, (typeof COPIED)[number]>> {
  return Object.fromEntries(
    COPIED.filter((name) => request[name] !== undefined).map((name) => [name, request[name]]),
  );
}

function costBasisOf({ costBasis }: GrantRequest, issues: Issue[]): string | undefined {
  if (costBasis === undefined) return undefined;
  const value = parseAmount(costBasis);
  if (typeof value === 'bigint' && value >= 0n) return formatAmount(value);
  issues.push(
    issue(
      '/costBasis',
      typeof value === 'bigint' ? 'amount_negative' : value,
      'must be a decimal, 0 or more',
    ),
  );
  return undefined;
}
