import { describe, expect, it } from '@jest/globals';
import { createCustomer } from '#libs/commands/catalog';
import { settleSubscription } from '#libs/commands/subscriptions';
import { asked, tenant } from '../../../test/support/catalog-world.js';
import { at, base, invoicingWorld, linesOf, usageOf } from '../../../test/support/invoicing-world.js';
import { invoiceNumbers } from './deps.js';
import { invoiceSubscriptions } from './invoicing.js';
import { upcomingInvoices } from './upcoming.js';

const w = invoicingWorld();
const { world, open, price, subscribe, use, credit, bill, issued } = w;

describe('a crash', () => {
  const steps: readonly [string, (stream: string, types: readonly string[]) => boolean][] = [
    ['before the closing', (_, types) => types.includes('ChargesClosed')],
    ['before the seal', (_, types) => types.includes('InvoiceSealed')],
    ['between two draws', (stream, types) => types.includes('CreditsConsumed') && ++drawn > 1],
    ['before the number', (_, types) => types.includes('NumbersTaken')],
    ['between number and invoice', (_, types) => types.includes('InvoiceFinalized')],
  ];
  let drawn = 0;
  it.each(steps)('%s leaves no gap and nothing twice', async (_, failing) => {
    drawn = 0;
    await price('api', [base('500'), usageOf('2')]);
    await subscribe('api');
    await subscribe('api', { id: 't', dangerouslyAllowMultipleSubscriptions: true });
    await credit('USD', 600);
    await use(10);
    world.now = at('2026-02-01');
    const dying = open(failing);
    await settleSubscription(w.subs, asked, 's');
    await settleSubscription(w.subs, asked, 't');
    await expect(invoiceSubscriptions(dying.deps, asked, ['s', 't'])).rejects.toThrow();
    // usage and credit come in between; another process goes on with the other subscription first
    await use(3, { eventTimestamp: '2026-01-30T00:00:00Z' });
    const next = open();
    await bill(next, ['t']);
    await bill(next, ['s']);
    const made = await issued();
    expect(made.map(({ number }) => number)).toEqual(made.map((_one, index) => `INV-00${index + 1}`));
    const { state } = await w.deps.credits.writer.read(invoiceNumbers, tenant, 'INV');
    expect(state.last).toBe(made.length);
    const fixed = made.flatMap(linesOf).filter((line) => line === 'fixed 500');
    expect(fixed).toHaveLength(4);
    const paid = made.reduce((sum, one) => sum + Number(one.credits), 0);
    expect(paid).toBe(-600);
    // the usage in between: on this invoice where nothing was closed yet, else on the next one
    world.now = at('2026-03-01');
    await bill(next, ['s', 't']);
    const used = (await issued())
      .flatMap(({ lines }) => lines)
      .flatMap((line) => (line.type === 'usage' ? [Number(line.quantity)] : []));
    expect(used.reduce((sum, one) => sum + one, 0)).toBe(13);
  });
});

describe('a month of a company', () => {
  it('adds up: lines + covered + unbilled = usage, after a crash in the middle of the run', async () => {
    const random = seeded(7);
    await price('api', [base('900'), usageOf('3', { free_units: '5' })]);
    const customers = Array.from({ length: 24 }, (_, index) => `cus${index}`);
    const used = new Map<string, number>();
    for (const id of customers) {
      await createCustomer(world.ports, asked, { id, name: id });
      await subscribe('api', { id: `s-${id}`, customerId: id });
      if (random(3) > 0)
        await credit('calls', 10 + random(60), { customerId: id, billingVisible: random(2) === 0 });
      if (random(2) === 0) await credit('USD', random(2000) + 1, { customerId: id });
    }
    for (let day = 1; day <= 40; day++) {
      world.now = at('2026-01-01') + day * 86_400_000 - 3_600_000;
      if (day === 31) await dyingRun(customers);
      for (const customerId of customers) {
        if (random(4) > 0) continue;
        const amount = 1 + random(20);
        await use(amount, { customerId });
        used.set(customerId, (used.get(customerId) ?? 0) + amount);
      }
    }
    await bill(
      open(),
      customers.map((id) => `s-${id}`),
    );
    const made = await issued();
    expect(made.map(({ number }) => Number(number.slice(4)))).toEqual(made.map((_, index) => index + 1));
    expect(made).toHaveLength(2 * customers.length);
    for (const customerId of customers) {
      const own = made.filter((invoice) => invoice.customerId === customerId);
      const charged = own.flatMap(({ lines }) => lines).filter(({ type }) => type === 'usage');
      const onLines = charged.reduce((sum, line) => sum + Number((line as UsageLine).quantity), 0);
      const covered = charged.reduce(
        (sum, line) => sum + Number((line as UsageLine).coveredQuantity ?? 0),
        0,
      );
      const drafts = await upcomingInvoices(w.deps, tenant, `s-${customerId}`);
      const unbilled = drafts
        .flatMap(({ lines }) => lines)
        .filter(({ type }) => type === 'usage')
        .reduce(
          (sum, line) =>
            sum + Number((line as UsageLine).quantity) + Number((line as UsageLine).coveredQuantity ?? 0),
          0,
        );
      expect([customerId, onLines + covered + unbilled]).toEqual([customerId, used.get(customerId) ?? 0]);
      for (const invoice of own) {
        const sum = invoice.lines.reduce((total, { amount }) => total + Number(amount), 0);
        expect(sum).toBe(Number(invoice.total));
      }
    }
  });

  /** The run of the month's end: the process dies when half of the invoices are made. */
  async function dyingRun(customers: readonly string[]): Promise<void> {
    world.now = at('2026-02-01');
    let finalized = 0;
    const dying = open((_, types) => types.includes('InvoiceFinalized') && ++finalized > 2);
    const ids = customers.map((id) => `s-${id}`);
    for (const id of ids) await settleSubscription(w.subs, asked, id);
    await expect(invoiceSubscriptions(dying.deps, asked, ids)).rejects.toThrow();
  }
});

interface UsageLine {
  readonly quantity: string;
  readonly coveredQuantity?: string;
}

/** Whole numbers below a bound, the same for the same seed. */
function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return Math.floor((state / 2 ** 31) * below);
  };
}
