import { expect, it } from '@jest/globals';
import { createCustomer } from '#libs/commands/catalog';
import { addSeat, settleSubscription } from '#libs/commands/subscriptions';
import { HOUR } from '#libs/kernel';
import { asked, tenant } from '../../../test/support/catalog-world.js';
import { at, base, invoicingWorld, usageOf } from '../../../test/support/invoicing-world.js';
import { faultsIn } from '../../../test/support/log-faults.js';
import { processInvoices } from './invoicing.js';
import { upcomingInvoices } from './upcoming.js';

/** `COMPANY_CUSTOMERS=1000 npm test -- month` plays a larger one, `COMPANY_SEED=8` another one. */
const CUSTOMERS = Number(process.env['COMPANY_CUSTOMERS'] ?? 60);
const SEED = Number(process.env['COMPANY_SEED'] ?? 7);
const BASE = 900;
const CALL = 3;

const w = invoicingWorld();
const { world, open, price, subscribe, use, credit, issued } = w;

it(`a month of ${CUSTOMERS} customers adds up to the cent, after a crash in the middle of the invoice run`, async () => {
  const random = seeded(SEED);
  await price('api', [base(String(BASE)), usageOf(String(CALL))]);
  const customers = Array.from({ length: CUSTOMERS }, (_, index) => `cus${index}`);
  const subscriptions = customers.map((id) => `s-${id}`);
  const users = new Map<string, string[]>();
  for (const id of customers) {
    await createCustomer(world.ports, asked, { id, name: id, externalCustomerId: id });
    await subscribe('api', { id: `s-${id}`, customerId: id });
    users.set(id, [id]);
    if (random(5) === 0) {
      const user = `${id}-user`;
      await createCustomer(world.ports, asked, { id: user, externalCustomerId: user, name: user });
      await addSeat(w.subs, asked, { organization_id: id, created_user_id: user });
      users.get(id)!.push(user);
    }
    for (const customerId of users.get(id)!)
      if (random(3) > 0)
        await credit('calls', 10 + random(60), { customerId, billingVisible: random(2) === 0 });
    if (random(2) === 0) await credit('USD', random(2000) + 1, { customerId: id });
  }
  const used = new Map<string, number>();
  for (let day = 1; day <= 40; day++) {
    world.now = at('2026-01-01') + day * 24 * HOUR - HOUR;
    if (day === 31) await dyingRun(subscriptions);
    for (const id of customers) {
      if (random(4) > 0) continue;
      const amount = 1 + random(20);
      const customerId = users.get(id)![random(users.get(id)!.length)]!;
      // some of it is late: of a period that is closed for those who were invoiced before the crash
      const late =
        day > 3 && random(3) === 0 ? { eventTimestamp: new Date(world.now - 72 * HOUR).toISOString() } : {};
      await use(amount, { customerId, ...late });
      used.set(id, (used.get(id) ?? 0) + amount);
    }
  }
  for (const id of subscriptions) await settleSubscription(w.subs, asked, id);
  await processInvoices(open().deps, asked);
  const made = await issued();
  expect(made.map(({ number }) => Number(number.slice(4)))).toEqual(made.map((_, index) => index + 1));
  expect(made).toHaveLength(2 * CUSTOMERS);

  const all = { invoices: 0, hidden: 0, shown: 0, credits: 0, unbilled: 0 };
  for (const id of customers) {
    const own = { invoices: 0, hidden: 0, shown: 0, credits: 0, unbilled: 0 };
    for (const { total, lines, credits } of made.filter(({ customerId }) => customerId === id)) {
      expect(lines.reduce((sum, { amount }) => sum + Number(amount), 0)).toBe(Number(total));
      own.invoices += Number(total);
      own.credits -= Number(credits);
      for (const line of lines) {
        if (line.type === 'usage') own.hidden += CALL * Number(line.coveredQuantity ?? 0);
        if (line.type === 'usage_credit') own.shown -= Number(line.amount);
      }
    }
    for (const { lines } of await upcomingInvoices(w.deps, tenant, `s-${id}`))
      for (const line of lines)
        if (line.type === 'usage')
          own.unbilled += CALL * (Number(line.quantity) + Number(line.coveredQuantity ?? 0));
    const { invoices, hidden, shown, credits, unbilled } = own;
    const sum = invoices + hidden + shown + credits + unbilled;
    expect([id, sum]).toEqual([id, 2 * BASE + CALL * (used.get(id) ?? 0)]);
    for (const part of Object.keys(all) as (keyof typeof all)[]) all[part] += own[part];
  }
  for (const part of Object.values(all)) expect(part).toBeGreaterThan(0);
  expect(await faultsIn(world.eventStore)).toEqual([]);
}, 600_000);

/** The run of the month's end: the process dies when half of the invoices are made, whatever was under way. */
async function dyingRun(subscriptions: readonly string[]): Promise<void> {
  world.now = at('2026-02-01');
  let finalized = 0;
  const dying = open(
    (_, types) => types.includes('InvoiceFinalized') && ++finalized > subscriptions.length / 2,
  );
  for (const id of subscriptions) await settleSubscription(w.subs, asked, id);
  await expect(processInvoices(dying.deps, asked)).rejects.toThrow('died here');
}

/** Whole numbers below a bound, the same for the same seed. */
function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return Math.floor((state / 2 ** 31) * below);
  };
}
