import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import type { EventStore } from '#libs/event-store';
import { appendEvent } from '../support/append-event.js';
import { until } from '../support/wait.js';
import {
  balanceOf,
  consume,
  expectProblem,
  grant,
  newAccount,
  ok,
  openLogOf,
  openWorld,
  positionOf,
  type Account,
  type World,
} from './world.js';

/** A newer version of the product has written to the log, and this one runs on. */
describe('an event that this version does not know', () => {
  let world: World;
  let eventStore: EventStore;
  let account: Account;
  let other: Account;
  let before: string;
  let position: number;
  const ready = async () => {
    const answer = await fetch(`${world.server.url}/health/ready`);
    return { status: answer.status, body: await answer.json() };
  };

  beforeAll(async () => {
    world = await openWorld();
    eventStore = await openLogOf(world.env);
    account = await newAccount(world.api);
    other = await newAccount(world.api);
    for (const one of [account, other]) await grant(world.api, { ...one, amount: '10' });
    before = (await balanceOf(world.api, account.customerId, account.unit)).ledger;
    expect((await ready()).status).toBe(200);
    const stream = `creditAccount-default.test_${account.customerId}`;
    position = Number(await appendEvent(eventStore, { stream, type: 'GrantDoubled', schemaVersion: 2 }));
  });
  afterAll(async () => {
    await eventStore.close();
    await world.server.stop();
    await world.store.drop();
  });

  const stoppedEverywhere = () =>
    until(async () => {
      const { body } = await ready();
      return body.readModels.every(({ stopped }: any) => stopped !== null) ? body : undefined;
    });

  test('makes the product not ready, and /health/ready says which, where, and that nothing went past it', async () => {
    const body = await stoppedEverywhere();
    expect((await ready()).status).toBe(503);
    expect(body.status).toBe('unavailable');
    expect(body.log).toEqual({ position });
    for (const { name, position: at, stopped } of body.readModels) {
      expect(at).toBeLessThan(position);
      expect(stopped).toBe(
        `Read model ${name} cannot go on at position ${position}: unknown event: GrantDoubled, ` +
          `at revision 1 of stream creditAccount-default.test_${account.customerId}, position ${position}`,
      );
    }
    expect(world.server.output.stdout + world.server.output.stderr).toContain('unknown event: GrantDoubled');
  });

  test('refuses what would be decided on that stream, writes nothing there, and takes the rest', async () => {
    const stream = `creditAccount-default.test_${account.customerId}`;
    for (const [path, body] of [
      ['/v1/credits/consume', { ...account, amount: '1' }],
      ['/v1/credits/consume', { ...account, amount: '1', dryRun: true }],
      ['/v1/credits/grants', { ...account, amount: '1' }],
    ] as const) {
      const answer = await world.api.post(path, body);
      expectProblem(answer, 503, 'history_unreadable');
      expect(answer.body.detail).toContain(`revision 1 of stream ${stream}`);
      expect(answer.headers.get('retry-after')).not.toBeNull();
    }
    const asOf = `/v1/credits/customers/${account.customerId}/balances?at=${encodeURIComponent(new Date().toISOString())}`;
    expectProblem(await world.api.get(`${asOf}&knownAt=${position}`), 503, 'history_unreadable');
    expect(ok(await world.api.get(`${asOf}&knownAt=${position - 1}`), 200).balances).toMatchObject([
      { ledger: before },
    ]);
    expect((await consume(world.api, { ...other, amount: '4' })).consumed).toBe('4');
    // the log itself can still be read and checked
    const { data } = ok(await world.api.get(`/v1/audit/streams/${stream}`), 200);
    expect(data.map(({ type }: any) => type)).toEqual(['GrantIssued', 'GrantDoubled']);
    const behind = await eventStore.checkpointBefore(BigInt(position));
    expect((await eventStore.readAll(behind, 10)).events).toHaveLength(2);
  });
});

test('a read model that has stopped is not read for a position that the others have reached', async () => {
  const world = await openWorld();
  const database = new pg.Client({ connectionString: world.env.DATABASE_URL });
  try {
    await database.connect();
    const account = await newAccount(world.api);
    await grant(world.api, { ...account, amount: '10' });
    const read = (what: string, position?: number) =>
      world.api.get(
        `/v1/credits/customers/${account.customerId}/${what}${position === undefined ? '' : `?minPosition=${position}`}`,
      );
    const before = positionOf(await read('transactions'));
    ok(await read('transactions', before), 200);
    await database.query(
      `update read_models.checkpoints set stopped_reason = 'for a test' where projection = 'transactions'`,
    );
    const position = positionOf(await world.api.post('/v1/credits/consume', { ...account, amount: '4' }));
    ok(await read('grants', position), 200);
    expectProblem(await read('transactions', position), 503, 'read_model_behind');
    expect(positionOf(await read('transactions'))).toBeLessThan(position);
  } finally {
    await database.end();
    await world.server.stop();
    await world.store.drop();
  }
});
