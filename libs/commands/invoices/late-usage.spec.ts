import { describe, expect, it } from '@jest/globals';
import { captureHold, placeHold } from '#libs/commands/credits';
import { asked, tenant } from '../../../test/support/catalog-world.js';
import { bodyOf } from '../../../test/support/credits-world.js';
import { at, base, invoicingWorld, linesOf, usageOf } from '../../../test/support/invoicing-world.js';
import { faultsIn } from '../../../test/support/log-faults.js';
import { upcomingInvoices } from './upcoming.js';

const w = invoicingWorld();
const { world, price, subscribe, change, use, credit, bill, issued } = w;

describe('what is reported late for a subscription that has ended', () => {
  const over = async () => {
    await price('api', [base('100'), usageOf('1', { free_units: '10' })]);
    await subscribe('api');
    await use(8);
    world.now = at('2026-01-16');
    await change('cancel');
    await bill();
  };
  const closings = async () => {
    const { events } = await world.eventStore.readAll(null, 1e6);
    return events.filter(({ type }) => type === 'ChargesClosed').map(({ data }) => data['at']);
  };

  it('is charged once nothing more of it is accepted, on top of what its period was charged', async () => {
    await over();
    world.now = at('2026-02-10');
    await use(5, { eventTimestamp: '2026-01-10T00:00:00Z' });
    world.now = at('2026-02-19') - 1;
    await use(4, { eventTimestamp: '2026-01-15T23:59:59.999Z' });
    await bill();
    expect((await issued()).map(linesOf)).toEqual([['fixed 100'], ['usage 0']]);
    const [draft] = await upcomingInvoices(w.deps, tenant, 's');
    expect([linesOf(draft!), draft!.closesAt]).toEqual([['usage 7'], '2026-02-19T00:00:00.000Z']);
    world.now = at('2026-02-19');
    await expect(use(1, { eventTimestamp: '2026-01-15T23:59:59.999Z' })).rejects.toThrow('accepted back');
    await bill();
    const last = (await issued())[2]!;
    expect(last).toMatchObject({ number: 'INV-003', invoiceId: draft!.invoiceId, total: '7' });
    expect(last.lines).toMatchObject([
      { type: 'usage', quantity: '9', period: { end: '2026-01-16T00:00:00.000Z' }, sources: [{ events: 2 }] },
    ]);
    // it is for no time of its own
    expect(last).not.toHaveProperty('period');
    world.now = at('2026-06-01');
    await bill();
    expect(await issued()).toHaveLength(3);
    expect(await upcomingInvoices(w.deps, tenant, 's')).toEqual([]);
    expect(await faultsIn(world.eventStore)).toEqual([]);
  });

  it('is no invoice where nothing was, and is looked for once', async () => {
    await over();
    for (const day of ['2026-02-19', '2026-03-01', '2026-06-01']) {
      world.now = at(day);
      await bill();
    }
    expect(await issued()).toHaveLength(2);
    expect((await closings()).slice(2)).toEqual(['2026-02-19T00:00:00.000Z']);
    expect(await faultsIn(world.eventStore)).toEqual([]);
  });

  it('is charged when all of it is looked at only later', async () => {
    await price('api', [base('3100'), usageOf('1')]);
    await subscribe('api');
    world.now = at('2026-01-16');
    await change('cancel');
    world.now = at('2026-02-10');
    await use(5, { eventTimestamp: '2026-01-12T00:00:00Z' });
    world.now = at('2026-03-01');
    await bill();
    const lines = (await issued()).flatMap(linesOf);
    expect(lines.sort()).toEqual(['fixed 3100', 'usage 5']);
    expect((await closings()).at(-1)).toBe('2026-02-19T00:00:00.000Z');
    expect(await faultsIn(world.eventStore)).toEqual([]);
  });

  it('is none where a hold is captured after the end: that is usage of the moment it is captured', async () => {
    await price('api', [usageOf('1')]);
    await subscribe('api');
    await credit('calls', 10, { billingVisible: true });
    const hold = (id: string) =>
      placeHold(w.deps.credits, asked, { id, customerId: 'c1', meterId: 'mtr', amount: '5' }, false);
    const capture = async (id: string) =>
      bodyOf(
        await captureHold(w.deps.credits, asked, id, {
          amount: '8',
          allowMore: { onShortage: 'overage' },
        }),
      );
    world.now = at('2026-01-10');
    for (const id of ['before', 'after']) bodyOf(await hold(id));
    await capture('before');
    world.now = at('2026-01-16');
    await change('cancel');
    world.now += 1;
    expect(await capture('after')).toMatchObject({ captured: '5', moreConsumption: { shortfall: '3' } });
    world.now = at('2026-06-01');
    await bill();
    expect((await issued()).flatMap(linesOf)).toEqual(['usage 8', 'usage_credit -5']);
    expect(await faultsIn(world.eventStore)).toEqual([]);
  });
});
