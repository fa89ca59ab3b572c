import {
  DAY,
  issue,
  parseAmount,
  parseInstant,
  Problem,
  type Amount,
  type Instant,
  type Issue,
  type Json,
} from '#libs/kernel';
import type { CreditDefinition, Document, Unit } from '#libs/catalog';
import {
  grantAnswer,
  scheduleAnswer,
  segmentId,
  type Applicability,
  type CommandRefused,
  type CreditCommand,
  type CreditEvent,
  type GrantAnswer,
  type GrantCategory,
  type GrantIssued,
  type GrantScope,
  type NewGrant,
} from '#libs/credits';
import { fingerprintOf } from '../fingerprint.js';
import type { CommandContext, Written } from '../stream-kind.js';
import { claimGrantId, resolveCustomer, type CreditsDeps } from './deps.js';
import { issuingCommand } from './issuing-command.js';

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
}

export interface Answered<Body> {
  readonly body: Body;
  readonly status: number;
  readonly position: bigint;
  readonly replayed: boolean;
}

/** A refusal that the log remembers: it has a position and can be a replay. */
export type Refused = Omit<Answered<never>, 'body' | 'status'> & { readonly problem: Problem };

/** What a grant takes from its definition, or from an ad hoc request. */
interface Template {
  readonly unit: Document<Unit>;
  readonly amount: unknown;
  readonly attributes: Partial<Omit<NewGrant, 'grantId' | 'unit' | 'amount' | 'effectiveAt' | 'expiresAt'>>;
  readonly priority?: number;
  readonly expiryDays?: number;
  readonly pointer: string;
}

/** The last instant that a time can name. */
const LATEST = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

/** Most segments one access schedule may have. */
const MAX_SEGMENTS = 100;

/** Issues one grant, or one for each segment of an access schedule. */
export async function issueGrant(
  deps: CreditsDeps,
  context: CommandContext,
  request: GrantRequest,
  external: boolean,
): Promise<Answered<GrantAnswer> | Refused> {
  const { tenant } = context;
  const customer = await resolveCustomer(deps, tenant, { id: request.customerId, external });
  const template = await templateOf(deps, tenant, request);
  const grantId = request.id ?? deps.newId('grant');
  if (request.id !== undefined) await claimGrantId(deps, context, request.id, customer.id);
  const grantsAt = segmentsOf(request, template, grantId);
  const input = request as unknown as Readonly<Record<string, Json>>;
  try {
    const written = await deps.writer.execute(deps.account, customer.id, {
      context,
      operation: 'grants.create',
      input,
      command: (now): CreditCommand => ({ type: 'IssueGrants', now, grants: grantsAt(now) }),
    });
    return grantsAnswer(customer.id, written, 201);
  } catch (error) {
    if (request.id === undefined || !(error instanceof Problem) || error.code !== 'already_exists')
      throw error;
    return sameGrantAgain(deps, tenant, customer.id, request.id, input, error);
  }
}

/** A second create with the same id: the first answer when the body is the same, else the conflict. */
async function sameGrantAgain(
  deps: CreditsDeps,
  tenant: string,
  customerId: string,
  grantId: string,
  input: Readonly<Record<string, Json>>,
  conflict: Problem,
): Promise<Answered<GrantAnswer>> {
  const first = await issuingCommand(deps, tenant, customerId, grantId);
  if (!first || first.fingerprint !== fingerprintOf(input)) throw conflict;
  return { ...(grantsAnswer(customerId, first, 200) as Answered<GrantAnswer>), replayed: false };
}

function grantsAnswer(
  customerId: string,
  {
    events,
    position,
    replayed,
    recordedAt,
  }: Pick<Written<unknown, CreditEvent>, 'events' | 'position' | 'replayed' | 'recordedAt'>,
  status: number,
): Answered<GrantAnswer> | Refused {
  const refusal = events.find((event) => event.type === 'CommandRefused');
  if (refusal) return { problem: commandRefused(refusal.data), position, replayed };
  const grants = events
    .filter((event) => event.type === 'GrantIssued')
    .map(({ data }) => grantAnswer(customerId, data, progressAmong(events, data), recordedAt));
  const schedule = grants[0]?.parentGrantId !== null;
  return { body: schedule ? scheduleAnswer(grants) : grants[0]!, status, position, replayed };
}

/** What is left of a grant that was just issued: debt may have taken some or all of it. */
function progressAmong(events: readonly CreditEvent[], { grantId, amount }: GrantIssued) {
  const settled = events.find((event) => event.type === 'DebtSettled' && event.data.grantId === grantId);
  const left = settled?.type === 'DebtSettled' ? settled.data.remainingAfter : amount;
  const remaining = parseAmount(left) as Amount;
  return { remaining, held: 0n, endedAs: remaining === 0n ? ('depleted' as const) : null };
}

export const commandRefused = ({ code, detail, grantId }: CommandRefused): Problem =>
  new Problem(code, detail, undefined, `/v1/credits/grants/${grantId}`);

async function templateOf(deps: CreditsDeps, tenant: string, request: GrantRequest): Promise<Template> {
  return request.creditDefinitionId === undefined
    ? adHocTemplate(deps, tenant, request)
    : definitionTemplate(deps, tenant, request, request.creditDefinitionId);
}

const AD_HOC_ONLY = ['unit', 'amount', 'accessSchedule', 'applicability'] as const;

async function definitionTemplate(
  deps: CreditsDeps,
  tenant: string,
  request: GrantRequest,
  definitionId: string,
): Promise<Template> {
  const misplaced = AD_HOC_ONLY.filter((member) => request[member] !== undefined);
  if (misplaced.length > 0)
    throw unacceptable(
      misplaced.map((member) => issue(`/${member}`, 'not_with_definition', 'comes from the definition')),
    );
  const definition = await deps.catalog.definition(tenant, definitionId);
  if (!definition)
    throw unacceptable([
      issue('/creditDefinitionId', 'unknown_reference', `no definition ${JSON.stringify(definitionId)}`),
    ]);
  const { attributes } = definition;
  if (!attributes.isActive)
    throw new Problem('definition_inactive', `The definition ${definitionId} is inactive.`);
  return {
    unit: (await deps.catalog.unit(tenant, attributes.unit))!,
    amount: request.initialAmount ?? attributes.defaultAmount,
    pointer: '/initialAmount',
    priority: attributes.priority,
    ...(attributes.expiryDays === undefined ? {} : { expiryDays: attributes.expiryDays }),
    attributes: {
      definitionId,
      applicationType: attributes.applicationType,
      scope: attributes.applicationType === 'monetary' ? attributes.scope : 'merchant',
      name: attributes.name,
      ...((attributes.billingDescription ?? attributes.description)
        ? { description: attributes.billingDescription ?? attributes.description! }
        : {}),
      billingVisible: attributes.billingVisible,
      ...withApplicability(definitionApplicability(attributes)),
    },
  };
}

/** The definition's link is what its grants apply to. */
function definitionApplicability({
  applicationType,
  featureSlug,
  priceId,
  priceComponentId,
  linkedMeters,
}: CreditDefinition): Applicability {
  const byPrice = priceId !== undefined && priceComponentId === undefined && featureSlug === undefined;
  return {
    ...(featureSlug === undefined ? {} : { features: [featureSlug] }),
    ...(priceComponentId === undefined ? {} : { components: [priceComponentId] }),
    ...(byPrice ? { prices: [priceId] } : {}),
    ...(applicationType === 'usage' && linkedMeters.length > 0 ? { meters: linkedMeters } : {}),
  };
}

async function adHocTemplate(deps: CreditsDeps, tenant: string, request: GrantRequest): Promise<Template> {
  const issues: Issue[] = [];
  if (request.unit === undefined)
    issues.push(issue('/unit', 'required', 'a grant without creditDefinitionId needs its unit'));
  if ((request.amount === undefined) === (request.accessSchedule === undefined))
    issues.push(issue('/amount', 'required', 'exactly one of amount and accessSchedule is needed'));
  if (request.initialAmount !== undefined)
    issues.push(issue('/initialAmount', 'not_without_definition', 'an ad hoc grant has an amount'));
  const unit = request.unit === undefined ? null : await deps.catalog.unit(tenant, request.unit);
  if (request.unit !== undefined && !unit)
    issues.push(issue('/unit', 'unknown_reference', `no unit ${JSON.stringify(request.unit)}`));
  const { specifiers, products, productTags } = request.applicability ?? {};
  if (specifiers?.length && (products?.length || productTags?.length))
    issues.push(issue('/applicability/specifiers', 'exclusive', 'not together with products or productTags'));
  const meters = await metersOf(deps, tenant, request.applicability, issues);
  if (issues.length > 0 || !unit) throw unacceptable(issues);
  return {
    unit,
    amount: request.amount,
    pointer: '/amount',
    attributes: {
      ...(unit.attributes.kind === 'monetary'
        ? { applicationType: 'monetary' as const }
        : { applicationType: 'usage' as const }),
      scope: 'merchant' satisfies GrantScope,
      ...withApplicability({ ...request.applicability, ...(meters.length === 0 ? {} : { meters }) }),
    },
  };
}

/** The meters behind the features and components an ad hoc grant names: their usage may draw on it. */
async function metersOf(
  { catalog }: CreditsDeps,
  tenant: string,
  applicability: GrantRequest['applicability'],
  issues: Issue[],
): Promise<string[]> {
  const meters = new Set<string>();
  for (const [index, slug] of (applicability?.features ?? []).entries()) {
    const feature = await catalog.featureBySlug(tenant, slug);
    if (!feature)
      issues.push(
        issue(`/applicability/features/${index}`, 'unknown_reference', `no feature ${JSON.stringify(slug)}`),
      );
    else if (feature.attributes.meterId !== undefined) meters.add(feature.attributes.meterId);
  }
  for (const [index, id] of (applicability?.components ?? []).entries()) {
    const component = await catalog.component(tenant, id);
    if (!component)
      issues.push(
        issue(
          `/applicability/components/${index}`,
          'unknown_reference',
          `no component ${JSON.stringify(id)}`,
        ),
      );
    else if (component.component.metric_id !== undefined) meters.add(component.component.metric_id);
  }
  return [...meters];
}

const withApplicability = (applicability: Applicability): { applicability?: Applicability } =>
  Object.keys(applicability).length === 0 ? {} : { applicability };

/** Checks amounts and windows; what is left open is filled in once the time of the command is known. */
function segmentsOf(
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
        if (end !== undefined && end > LATEST)
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

/** @returns the amount; where it is none, an issue is added and the result means nothing */
export function positiveAmount(
  input: unknown,
  unit: Document<Unit>,
  pointer: string,
  issues: Issue[],
): Amount {
  const { scale } = unit.attributes;
  const amount = parseAmount(input, scale);
  if (typeof amount !== 'bigint') {
    const message =
      amount === 'amount_too_precise' ? `${unit.id} keeps ${scale} decimals` : 'must be an amount';
    issues.push(issue(pointer, amount, message));
    return 0n;
  }
  if (amount <= 0n) issues.push(issue(pointer, 'amount_not_positive', 'must be above zero'));
  return amount;
}

function costBasisOf({ costBasis }: GrantRequest, issues: Issue[]): string | undefined {
  if (costBasis === undefined) return undefined;
  const value = parseAmount(costBasis);
  if (typeof value !== 'bigint' || value < 0n)
    issues.push(
      issue(
        '/costBasis',
        typeof value === 'bigint' ? 'amount_negative' : value,
        'must be a decimal, 0 or more',
      ),
    );
  return String(costBasis);
}

export const unacceptable = (issues: readonly Issue[]): Problem =>
  new Problem(
    'validation_failed',
    `${issues.length === 1 ? 'One member is' : `${issues.length} members are`} not acceptable.`,
    issues,
  );
