import { applyChanges, PLAN_TERMS, versionOf, withoutUnset } from '#libs/catalog';
import type { Changes, Plan } from '#libs/catalog';
import { canonicalJson, issue, Problem } from '#libs/kernel';
import type { Issue } from '#libs/kernel';
import { chooseId } from '../ids.js';
import type { CommandContext } from '../stream-kind.js';
import { plans } from './catalog-kinds.js';
import { claim, createDocument, updateDocument, withoutKey } from './catalog-writer.js';
import type { CatalogPorts, DocumentWritten } from './catalog-writer.js';
import { checkPrices, keptPrices, priceIdOf, readTerms } from './plan-terms.js';
import type { TermsInput } from './plan-terms.js';
import { createPrice } from './prices.js';

type Shown = Omit<
  Plan,
  (typeof PLAN_TERMS)[number] | 'planName' | 'planDescription' | 'stablePlanId' | 'versionNumber'
>;

type Aliased = {
  readonly planName?: string | undefined;
  /** Another name of `planName`. */
  readonly name?: string | undefined;
  readonly planDescription?: string | undefined;
  /** Another name of `planDescription`. */
  readonly description?: string | undefined;
};

/** Members as the caller sends them; null counts as left out. */
export type PlanInput = Shown &
  Aliased &
  TermsInput & {
    readonly id?: string | undefined;
    readonly stablePlanId?: string | undefined;
    /** The number the version must get. */
    readonly versionNumber?: number | undefined;
  };

/** Members to change; null unsets. */
export type PlanChanges = Changes<Omit<PlanInput, 'id' | 'stablePlanId'>> & {
  /** The prices of the plan's versions that it uses; absent: those it uses now. */
  readonly priceIds?: readonly string[] | null | undefined;
};

/** The first version of a plan: claims its place, then the plan, then its prices. */
export async function createPlan(
  ports: CatalogPorts,
  context: CommandContext,
  input: PlanInput,
): Promise<DocumentWritten<Plan>> {
  const { tenant } = context;
  const operation = 'plans.create';
  const id = chooseId(ports.newId, 'plan', {
    given: input.id ?? undefined,
    tenant,
    operation,
    key: context.idempotencyKey,
  });
  const issues: Issue[] = [];
  const shown = shownOf(input, issues);
  if (shown.planName == null) issues.push(issue('/planName', 'required', 'planName is required.'));
  if (input.versionNumber != null && input.versionNumber !== 1)
    issues.push(issue('/versionNumber', 'out_of_range', 'The first version is 1.'));
  const stablePlanId = input.stablePlanId ?? id;
  const terms = await readTerms(ports, tenant, input, issues);
  const attributes = withoutUnset({
    ...shown,
    planName: shown.planName ?? '',
    ...terms,
    ...(stablePlanId === id ? {} : { stablePlanId }),
  }) as Plan;
  issues.push(...(await checkPrices(ports, tenant, id, input.prices ?? [])));
  return createVersion(ports, context, { operation, id, input, attributes, issues });
}

/**
 * What is only shown changes in place. Other features, prices or trial make version n + 1 of the same plan, which goes on
 * using the prices it is not given others for; earlier versions stay as they are.
 * @throws Problem `not_found`; `conflict` when the version cannot get the number asked for
 */
export async function updatePlan(
  ports: CatalogPorts,
  context: CommandContext,
  { id, isStableId }: { readonly id: string; readonly isStableId: boolean },
  input: PlanChanges,
): Promise<DocumentWritten<Plan>> {
  const { tenant, idempotencyKey: key } = context;
  const operation = 'plans.version';
  const baseId = isStableId ? (await ports.reader.newestPlan(tenant, id))?.id : id;
  const base = baseId === undefined ? null : (await ports.writer.read(plans, tenant, baseId, 0)).state;
  if (!base) throw new Problem('not_found', `No plan ${JSON.stringify(id)} exists.`);

  const versionId = chooseId(ports.newId, 'plan', { tenant, operation, key });
  const made = key === undefined ? null : (await ports.writer.read(plans, tenant, versionId, 0)).state;
  // a request sent again gets its first answer: looked for after the base, which may be what the first one made
  if (made)
    return createVersion(ports, context, {
      operation,
      id: versionId,
      input,
      attributes: made.createdWith,
      issues: [],
    });

  const issues: Issue[] = [];
  const shown = shownOf(input, issues);
  const terms = await readTerms(ports, tenant, input, issues);
  const wanted = applyChanges(base.attributes, said({ ...shown, ...terms }));
  const pricesInUse = async () => (await ports.reader.pricesOf(tenant, base)).map((price) => price.id);
  const otherPrices =
    (input.prices?.length ?? 0) > 0 ||
    (input.priceIds !== undefined && !sameIds(input.priceIds ?? [], await pricesInUse()));
  if (!otherPrices && sameTerms(wanted, base.attributes)) {
    refuseOtherNumber(input, versionOf(base).versionNumber);
    return updateDocument(ports, plans, {
      context,
      operation: 'plans.update',
      id: base.id,
      input,
      changes: { ...shown },
      issues,
    });
  }

  const { stablePlanId } = versionOf(base);
  const newest = await ports.reader.newestPlan(tenant, stablePlanId);
  const versionNumber = versionOf(newest ?? base).versionNumber + 1;
  refuseOtherNumber(input, versionNumber);
  const replaced = new Set((input.prices ?? []).map(({ currency }) => currency));
  const priceIds = input.priceIds === undefined ? await pricesInUse() : (input.priceIds ?? []);
  const kept = await keptPrices(ports, tenant, stablePlanId, priceIds, issues);
  const attributes = withoutUnset({
    ...wanted,
    commitMessage: input.commitMessage,
    stablePlanId,
    versionNumber,
    priceIds: kept.filter(({ attributes: { currency } }) => !replaced.has(currency)).map((price) => price.id),
  }) as Plan;
  issues.push(...(await checkPrices(ports, tenant, versionId, input.prices ?? [])));
  return createVersion(ports, context, { operation, id: versionId, input, attributes, issues });
}

/** The changes that are asked for: undefined asks for none. */
const said = (changes: Changes<Plan>): Changes<Plan> =>
  Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));

/** Prices aside, which are compared by what is in use. */
const sameTerms = (wanted: Plan, before: Plan): boolean =>
  PLAN_TERMS.every(
    (term) =>
      term === 'priceIds' || canonicalJson(wanted[term] ?? null) === canonicalJson(before[term] ?? null),
  );

const sameIds = (some: readonly string[], others: readonly string[]): boolean =>
  canonicalJson(some.toSorted()) === canonicalJson(others.toSorted());

interface VersionRequest {
  readonly operation: string;
  readonly id: string;
  readonly input: PlanInput | PlanChanges;
  readonly attributes: Plan;
  readonly issues: readonly Issue[];
}

/** Claims the number, then the version, then its prices; the same request sent again completes what a crash left. */
async function createVersion(
  ports: CatalogPorts,
  context: CommandContext,
  { operation, id, input, attributes, issues }: VersionRequest,
): Promise<DocumentWritten<Plan>> {
  const { stablePlanId, versionNumber } = versionOf({ id, attributes });
  const prepare = (): Promise<void> =>
    claim(ports, context, {
      what: 'planVersion',
      value: `${stablePlanId}:${versionNumber}`,
      owner: id,
      taken: {
        code: versionNumber === 1 ? 'already_exists' : 'conflict',
        detail: `Version ${versionNumber} of the plan ${JSON.stringify(stablePlanId)} is another one.`,
      },
      holds: async (owner) => {
        const { state } = await ports.writer.read(plans, context.tenant, owner, 0);
        const held = state && versionOf(state);
        return held?.stablePlanId === stablePlanId && held.versionNumber === versionNumber;
      },
    });
  const written = await createDocument(ports, plans, {
    context,
    operation,
    id,
    input: input,
    attributes,
    issues,
    prepare,
  });
  let { position } = written;
  for (const [index, price] of (input.prices ?? []).entries()) {
    const made = await createPrice(ports, withoutKey(context), {
      ...price,
      planId: id,
      id: priceIdOf(context.tenant, id, price, index),
    });
    if (made.position > position) ({ position } = made);
  }
  return { ...written, position };
}

function refuseOtherNumber({ versionNumber }: PlanChanges, next: number): void {
  if (versionNumber != null && versionNumber !== next)
    throw new Problem('conflict', `The version would be ${next}, not ${versionNumber}.`);
}

/** The members that are edited in place, by their own names. */
function shownOf(input: PlanInput | PlanChanges, issues: Issue[]): Changes<Plan> {
  const {
    metadata,
    commitMessage,
    isVisibleInPricingTable,
    isEnterprisePlan,
    buttonText,
    enterpriseRedirectUrl,
  } = input;
  return {
    planName: either(input, 'planName', 'name', issues),
    planDescription: either(input, 'planDescription', 'description', issues),
    metadata,
    commitMessage,
    isVisibleInPricingTable,
    isEnterprisePlan,
    buttonText,
    enterpriseRedirectUrl,
  };
}

function either(
  input: PlanInput | PlanChanges,
  member: keyof Aliased,
  alias: keyof Aliased,
  issues: Issue[],
): string | null | undefined {
  const [value, other] = [input[member], input[alias]];
  if (value != null && other != null && value !== other)
    issues.push(issue(`/${alias}`, 'exclusive', `${alias} is another name of ${member}; they differ.`));
  return value ?? other ?? (value === null || other === null ? null : undefined);
}
