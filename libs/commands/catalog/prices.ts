import { canonicalPricingData, draws } from '#libs/catalog';
import type { Price } from '#libs/catalog';
import { issue } from '#libs/kernel';
import type { Issue, Json } from '#libs/kernel';
import { chooseId, derivedId } from '../ids.js';
import type { CommandContext } from '../stream-kind.js';
import { prices } from './catalog-kinds.js';
import { canonicalAmount, claim, createDocument, unknownReference } from './catalog-writer.js';
import type { CatalogPorts, DocumentWritten } from './catalog-writer.js';

export const BILLING_INTERVALS = ['month', 'year'] as const;
export const SIMPLE_PRICING_MODELS = ['flat', 'per_seat'] as const;

/** What a price charges: components as the caller wrote them, or one amount for each interval. */
export type ChargeInput = {
  readonly id?: string | undefined;
  readonly currency: string;
  readonly pricingData?: Json | undefined;
  /** Instead of pricingData, together with the interval. */
  readonly unitAmountCents?: string | number | undefined;
  readonly billingInterval?: (typeof BILLING_INTERVALS)[number] | undefined;
  /** Default `flat`. */
  readonly pricingModel?: (typeof SIMPLE_PRICING_MODELS)[number] | undefined;
};

export type PriceInput = ChargeInput & { readonly planId: string };

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
  const { attributes, issues } = await readPrice(ports, tenant, id, input);
  const known = await ports.reader.plan(tenant, input.planId);
  const references = known ? issues : [unknownReference('/planId', 'plan', input.planId), ...issues];
  const prepare = async (): Promise<void> => {
    for (const component of attributes.pricingData.components)
      await claimComponent(ports, context, component.id, id);
  };
  return createDocument(ports, prices, {
    context,
    operation,
    id,
    input,
    attributes,
    issues: references,
    prepare,
  });
}

/** The price that the input means, and what its references lack; what its own rules say comes with its creation. */
export async function readPrice(
  ports: CatalogPorts,
  tenant: string,
  id: string,
  input: PriceInput,
): Promise<{ readonly attributes: Price; readonly issues: readonly Issue[] }> {
  const { planId, currency } = input;
  const issues: Issue[] = [];
  const pricingData = canonicalPricingData(
    input.pricingData == null ? simpleData(input, issues) : input.pricingData,
    (index) => derivedId('cmp', tenant, 'prices.component', id, String(index)),
  );
  if (input.pricingData != null)
    for (const member of ['unitAmountCents', 'billingInterval', 'pricingModel'] as const)
      if (input[member] != null)
        issues.push(issue(`/${member}`, 'exclusive', `pricingData says all; leave ${member} out.`));
  const components: readonly unknown[] = Array.isArray(pricingData?.components) ? pricingData.components : [];
  for (const [index, component] of components.entries()) {
    const { metric_id: meterId } = (component ?? {}) as { readonly metric_id?: unknown };
    if (typeof meterId === 'string') issues.push(...(await checkMetric(ports, tenant, meterId, index)));
  }
  return { attributes: { planId, currency, pricingData }, issues };
}

/** One component that charges the amount in each interval. */
function simpleData(input: ChargeInput, issues: Issue[]): Json {
  const { unitAmountCents, billingInterval, pricingModel } = input;
  if (unitAmountCents == null) {
    issues.push(issue('/pricingData', 'required', 'A price needs pricingData, or unitAmountCents.'));
    return { dsl_version: 1, components: [FREE] };
  }
  if (billingInterval == null)
    issues.push(issue('/billingInterval', 'required', 'unitAmountCents needs billingInterval.'));
  const cents = canonicalAmount(unitAmountCents);
  const recurrence_rule = billingInterval === 'year' ? 'FREQ=YEARLY' : 'FREQ=MONTHLY';
  const charge =
    pricingModel === 'per_seat'
      ? { type: 'per_unit', label: 'Seats', unit_amount_cents: cents }
      : { type: 'fixed', label: 'Subscription', amount_cents: cents };
  return { dsl_version: 1, components: [{ ...charge, recurrence_rule }] };
}

/** Stands in where there is no price data, so that only that is reported. */
const FREE = { type: 'fixed', label: 'Free', amount_cents: '0' };

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
