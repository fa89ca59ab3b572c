import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { subscriptions } from '#libs/commands/subscriptions';
import { DAY } from '#libs/kernel';
import { dueSubscriptions, oldestDueSubscription, subscribedTenants } from '#libs/read-models';
import { ListSubscriptions } from '#libs/read-models/queries';
import type { SubscriptionCommand } from '#libs/subscriptions';
import { ListSubscriptionsHandler } from '../../libs/read-models/subscriptions/subscriptions.query.js';
import { terms } from '../support/subscription-facts.js';
import { allRows, context, givenLedger, NOW, type Ledger } from './given.js';

describe('subscriptions in the read model', () => {
  let ledger: Ledger;
  beforeEach(async () => {
    ledger = await givenLedger();
  });
  afterEach(() => ledger.close());

  const write = (id: string, command: (now: number) => SubscriptionCommand) =>
    ledger.writer.execute(subscriptions, id, { context, operation: 'test', input: {}, command });
  const create = (id: string, trialDays?: number) =>
    write(id, (now) => ({
      type: 'Create',
      now,
      subscriptionId: id,
      customerId: `customer-${id}`,
      terms: terms('plan'),
      ...(trialDays === undefined ? {} : { trialDays }),
    }));
  const drive = (id: string, throughRevision: number) =>
    write(id, () => ({ type: 'RecordDriven', throughRevision, refused: [] }));
  const everyOne = { index: 0, of: 1 };

  test('are the same rows whether their events come one by one or together', async () => {
    await create('s1', 3);
    await create('s2');
    await write('s1', (now) => ({
      type: 'AddSeat',
      now,
      customerId: 'ada',
      externalCustomerId: 'Ada',
    }));
    ledger.clock.now += 40 * DAY;
    await write('s1', (now) => ({ type: 'Pause', now }));
    await drive('s1', 3);
    await write('s2', (now) => ({ type: 'Cancel', now, atPeriodEnd: false }));
    const slowly = await ledger.project({ batchSize: 1 });
    await ledger.caughtUp(slowly);
    await slowly.close();
    const before = await allRows(ledger.pool);
    expect(before['subscriptions']).toHaveLength(2);
    await ledger.pool.query(`delete from read_models.checkpoints where projection = 'subscriptions'`);
    await ledger.pool.query('truncate read_models.subscriptions');
    await ledger.caughtUp(await ledger.project());
    expect(await allRows(ledger.pool)).toEqual(before);
  });

  test('are due when a period or a trial is over, and as long as accounts were not told', async () => {
    await create('s1', 3);
    await create('s2');
    const models = await ledger.project();
    await ledger.caughtUp(models);
    const due = async (at: number) => {
      const client = await ledger.pool.connect();
      try {
        return [
          await dueSubscriptions(client, 't', at, everyOne, [], 10),
          await oldestDueSubscription(client, 't', at),
        ];
      } finally {
        client.release();
      }
    };
    expect(await due(NOW)).toEqual([['s1', 's2'], NOW]);
    await drive('s1', 1);
    await drive('s2', 1);
    await ledger.caughtUp(models);
    expect(await due(NOW + 3 * DAY - 1)).toEqual([[], null]);
    expect(await due(NOW + 3 * DAY)).toEqual([['s1'], NOW + 3 * DAY]);
    expect(await due(NOW + 31 * DAY)).toEqual([['s1', 's2'], NOW + 3 * DAY]);
    const client = await ledger.pool.connect();
    expect(await subscribedTenants(client)).toEqual(['t']);
    client.release();
    expect(await models.subscriptions.subscriptionsDue('t', NOW + 3 * DAY, null)).toEqual(['s1']);
    expect(await models.subscriptions.subscriptionsDue('t', NOW + 3 * DAY, 's1')).toEqual([]);
    const page = { after: 's1', limit: 9, plannedTo: null };
    expect(await models.subscriptions.subscriptionsOn('t', 'plan', page)).toEqual(['s2']);
    expect(await models.subscriptions.subscriptionsOf('t', 'customer-s2')).toEqual(['s2']);
  });

  test('are listed as they stand at the moment of the question, page by page', async () => {
    for (const n of [1, 2, 3, 4]) await create(`s${n}`, n % 2 === 0 ? 3 : undefined);
    await ledger.caughtUp(await ledger.project());
    const list = async (status: 'active' | 'trialing', at: number) => {
      const handler = new ListSubscriptionsHandler(ledger.pool);
      const found: string[] = [];
      for (let cursor: string | null = null; ;) {
        const page = { limit: 1, cursor };
        const { data, nextKey } = await handler.execute(new ListSubscriptions('t', { status }, page, at));
        found.push(...data.map(({ id }) => id));
        if (nextKey === null) return found;
        cursor = nextKey;
      }
    };
    expect(await list('trialing', NOW + 3 * DAY - 1)).toEqual(['s2', 's4']);
    expect(await list('active', NOW + 3 * DAY - 1)).toEqual(['s1', 's3']);
    expect(await list('trialing', NOW + 3 * DAY)).toEqual([]);
    expect(await list('active', NOW + 3 * DAY)).toEqual(['s1', 's2', 's3', 's4']);
  });
});
