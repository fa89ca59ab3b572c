import { parseAmount, parseInstant, type Amount, type Instant } from '#libs/kernel';
import {
  chargeLines,
  completeInvoice,
  drawCredits,
  payables,
  taxOf,
  type Charge,
  type FixedCharge,
  type InvoiceContent,
  type LineSource,
  type MonetaryCredit,
  type TaxTerms,
  type UsageCharge,
  type UsageDraw,
} from '#libs/billing';

/** Short ways to say what is charged. */

export const amount = (text: string | number): Amount => {
  const read = parseAmount(typeof text === 'number' ? String(text) : text);
  if (typeof read !== 'bigint') throw new Error(`${text} is no amount`);
  return read;
};

export const at = (text: string): Instant => parseInstant(text.includes('T') ? text : `${text}T00:00:00Z`)!;

export const JANUARY = { start: at('2026-01-01'), end: at('2026-02-01') };

type UsageComponent = UsageCharge['component'];
export const usageComponent = (more: Partial<UsageComponent> = {}): UsageComponent => ({
  id: 'calls',
  type: 'usage',
  label: 'API calls',
  recurrence_rule: 'FREQ=MONTHLY',
  metric_id: 'mtr_calls',
  ...(more.tiers === undefined ? { unit_cost_cents: '1' } : {}),
  ...more,
});

export const source = (quantity: string | number, more: Partial<LineSource> = {}): LineSource => ({
  customerId: 'cus_1',
  fromRevision: 3,
  throughRevision: 9,
  events: 2,
  quantity: String(quantity),
  ...more,
});

export const draw = (
  grantId: string,
  quantity: string | number,
  more: Partial<UsageDraw> = {},
): UsageDraw => ({
  grantId,
  description: `Credits of ${grantId}`,
  billingVisible: true,
  quantity: amount(quantity),
  allocations: [source(quantity)],
  ...more,
});

export const usage = (
  quantity: string | number,
  component: UsageComponent = usageComponent(),
  draws: readonly UsageDraw[] = [],
): UsageCharge => ({
  type: 'usage',
  component,
  priceId: 'price_1',
  period: JANUARY,
  quantity: amount(quantity),
  draws,
  sources: [source(quantity)],
});

export const fixed = (cents: string | number, more: Partial<FixedCharge> = {}): FixedCharge => ({
  type: 'fixed',
  component: {
    id: 'base',
    type: 'fixed',
    label: 'Base fee',
    recurrence_rule: 'FREQ=MONTHLY',
    amount_cents: String(cents),
  },
  priceId: 'price_1',
  period: JANUARY,
  ...more,
});

export const BUSINESS: TaxTerms = { businessName: 'Acme Ltd' };

/** What an invoice would be now, as the upcoming one is made. */
export function compose({
  charges = [],
  credits = [],
  tax = BUSINESS,
}: {
  readonly charges?: readonly Charge[];
  readonly credits?: readonly MonetaryCredit[];
  readonly tax?: TaxTerms;
}): InvoiceContent {
  const lines = chargeLines(charges);
  return completeInvoice(
    { currency: 'USD', lines, taxation: taxOf(tax) },
    drawCredits(payables(lines), credits),
  );
}
