import { readRecurrenceRule } from '#libs/calendar';
import { draws } from '#libs/catalog';
import type { Metadata, Plan, Price, PriceComponent } from '#libs/catalog';
import type { Issue } from '#libs/kernel';
import { chooseId, derivedId } from '../ids.js';
import type { CommandContext } from '../stream-kind.js';
import { plans, prices } from './catalog-kinds.js';
import { canonicalAmount, claim, createDocument, unknownReference } from './catalog-writer.js';
import type { CatalogPorts, DocumentWritten } from './catalog-writer.js';

export type PlanInput = {
  readonly id?: string | undefined;
  readonly planName?: string | undefined;
  /** Another name of `planName`. */
  readonly name?: string | undefined;
  readonly planDescription?: string | undefined;
  /** Another name of `planDescription`. */
  readonly description?: string | undefined;
  readonly metadata?: Metadata | undefined;
};

export function createPlan(
  ports: CatalogPorts,
  context: CommandContext,
  input: PlanInput,
): Promise<DocumentWritten<Plan>> {
  const operation = 'plans.create';
  const id = chooseId(ports.newId, 'plan', {
    given: input.id ?? undefined,
    tenant: context.tenant,
    operation,
    key: context.idempotencyKey,
  });
  const issues: Issue[] = [];
  const planName = either(input, 'planName', 'name', issues);
  if (planName === undefined)
    issues.push({ pointer: '/planName', code: 'required', message: 'planName is required.' });
  const planDescription = either(input, 'planDescription', 'description', issues);
  const attributes: Plan = { planName: planName ?? '', planDescription, metadata: input.metadata };
  return createDocument(ports, plans, { context, operation, id, input, attributes, issues });
}

function either(
  input: PlanInput,
  member: keyof PlanInput,
  alias: keyof PlanInput,
  issues: Issue[],
): string | undefined {
  const [value, other] = [input[member] ?? undefined, input[alias] ?? undefined] as (string | undefined)[];
  if (value !== undefined && other !== undefined && value !== other)
    issues.push({
      pointer: `/${alias}`,
      code: 'exclusive',
      message: `${alias} is another name of ${member}; they differ.`,
    });
  return value ?? other;
}

type Amounts = 'amount_cents' | 'unit_amount_cents' | 'unit_cost_cents';

export type ComponentInput = Omit<PriceComponent, 'id' | Amounts> & {
  readonly id?: string | undefined;
} & { readonly [M in Amounts]?: string | number | undefined };

export type PriceInput = {
  readonly id?: string | undefined;
  readonly planId: string;
  readonly currency: string;
  readonly pricingData: { readonly dsl_version: 1; readonly components: readonly ComponentInput[] };
};

/** Claims the components' ids, so that each can be named alone, then the price. */
export async function createPrice(
  ports: CatalogPorts,
  context: CommandContext,
  input: PriceInput,
): Promise<DocumentWritten<Price>> {
  const { tenant } = context;
  const operation = 'prices.create';
  const id = chooseId(ports.newId, 'prc', {
    given: input.id ?? undefined,
    tenant,
    operation,
    key: context.idempotencyKey,
  });
  const { planId, currency, pricingData } = input;
  const components = pricingData.components.map((component, index) =>
    readComponent(component, derivedId('cmp', tenant, 'prices.component', id, String(index))),
  );
  const attributes: Price = { planId, currency, pricingData: { dsl_version: 1, components } };
  const issues: Issue[] = [];
  if (!(await ports.reader.plan(tenant, planId))) issues.push(unknownReference('/planId', 'plan', planId));
  for (const [index, { metric_id: meterId }] of components.entries())
    if (meterId !== undefined) issues.push(...(await checkMetric(ports, tenant, meterId, index)));
  const prepare = async (): Promise<void> => {
    for (const component of components) await claimComponent(ports, context, component.id, id);
  };
  return createDocument(ports, prices, { context, operation, id, input, attributes, issues, prepare });
}

async function checkMetric(
  { reader }: CatalogPorts,
  tenant: string,
  meterId: string,
  index: number,
): Promise<readonly Issue[]> {
  const pointer = `/pricingData/components/${index}/metric_id`;
  const meter = await reader.meter(tenant, meterId);
  if (!meter) return [unknownReference(pointer, 'meter', meterId)];
  if (draws(meter.attributes)) return [];
  return [
    {
      pointer,
      code: 'meter_does_not_draw',
      message: `A ${meter.attributes.aggregation} meter cannot be charged.`,
    },
  ];
}

const claimComponent = (
  ports: CatalogPorts,
  context: CommandContext,
  component: string,
  priceId: string,
): Promise<void> =>
  claim(ports, context, {
    what: 'priceComponent',
    value: component,
    owner: priceId,
    taken: {
      code: 'already_exists',
      detail: `The component ${JSON.stringify(component)} belongs to another price.`,
    },
    holds: async (owner) => {
      const { state } = await ports.writer.read(prices, context.tenant, owner, 0);
      return state?.attributes.pricingData.components.some(({ id }) => id === component) ?? false;
    },
  });

/** Amounts and rule in canonical form, defaults filled in, members that were not sent left out. */
function readComponent(input: ComponentInput, generatedId: string): PriceComponent {
  const cents = (value: string | number | undefined): string | undefined =>
    value == null ? undefined : canonicalAmount(value);
  const rule = input.recurrence_rule == null ? undefined : readRecurrenceRule(input.recurrence_rule);
  const component: PriceComponent = {
    ...input,
    id: input.id ?? generatedId,
    recurrence_rule: rule && 'canonical' in rule ? rule.canonical : input.recurrence_rule,
    // a seat's charge may be sent under the name of a fixed charge
    amount_cents: input.type === 'per_unit' ? undefined : cents(input.amount_cents),
    unit_amount_cents: cents(
      input.unit_amount_cents ?? (input.type === 'per_unit' ? input.amount_cents : undefined),
    ),
    unit_cost_cents: cents(input.unit_cost_cents),
    bill_immediately: input.bill_immediately ?? (input.type === 'per_unit' ? true : undefined),
  };
  return Object.fromEntries(Object.entries(component).filter(([, value]) => value != null)) as PriceComponent;
}
