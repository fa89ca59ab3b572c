import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { openPostgresEventStore } from '#libs/event-store/postgres';
import { changed, EVENT_TYPES, type EventTypes } from '#libs/event-types';
import { PROJECTIONS, ProjectionFailed, rebuildReadModels, type ReadModels } from '#libs/read-models';
import { appendEvent } from '../support/append-event.js';
import { until } from '../support/wait.js';
import { allRows, consume, givenLedger, grant, type Ledger } from './given.js';

const stopped = async (models: ReadModels) => (await models.status()).filter((one) => one.stopped !== null);
const allStopped = (models: ReadModels) =>
  until(async () => (await stopped(models)).length === PROJECTIONS.length);

/** The types of a product that knows one more, or one more version of one. */
const knowing = (category: string, type: string, versions: number): EventTypes => {
  const kept = { says: 'nothing changes.', upcast: (data: Readonly<Record<string, unknown>>) => data };
  const { upcasters } = EVENT_TYPES.get(category)!.get(type) ?? { upcasters: [] };
  const added = changed(...upcasters, ...Array.from({ length: versions - 1 - upcasters.length }, () => kept));
  return new Map(EVENT_TYPES).set(category, new Map(EVENT_TYPES.get(category)).set(type, added));
};

describe('an event that is not known', () => {
  let ledger: Ledger;
  beforeEach(async () => {
    ledger = await givenLedger({ store: (url) => openPostgresEventStore({ connectionString: url }) });
    await ledger.write('c', grant('g', 5n));
    await ledger.write('d', grant('h', 7n));
  });
  afterEach(() => ledger.close());

  test.each([
    ['a type', { stream: 'creditAccount-t_c', type: 'GrantDoubled', schemaVersion: 1 }, 'GrantDoubled'],
    [
      'a newer version',
      { stream: 'creditAccount-t_c', type: 'GrantIssued', schemaVersion: 2 },
      'GrantIssued, version 2',
    ],
    ['no version', { stream: 'creditAccount-t_c', type: 'GrantIssued' }, 'GrantIssued, version none'],
    [
      'a type of streams that no read model shows',
      { stream: 'testClock-t_clock', type: 'TestClockStopped', schemaVersion: 1 },
      'TestClockStopped',
    ],
  ])('stops every read model in front of %s, and says where', async (_, event, named) => {
    const models = await ledger.project();
    const position = await appendEvent(ledger.eventStore, event);
    await ledger.write('d', consume('after', 1n));
    await allStopped(models);
    for (const { name, position: at, stopped: why } of await stopped(models)) {
      expect(at).toBe(position - 1n);
      expect(why).toContain(
        `Read model ${name} cannot go on at position ${position}: unknown event: ${named}`,
      );
      expect(why).toContain(`of stream ${event.stream}`);
    }
    expect(ledger.errors).toHaveLength(PROJECTIONS.length);
    for (const error of ledger.errors) {
      expect(error).toBeInstanceOf(ProjectionFailed);
      expect((error as ProjectionFailed).position).toBe(position);
    }
    await expect(rebuildReadModels(ledger)).rejects.toThrow(`unknown event: ${named}`);
  });

  test('is passed over where it stands in a stream of somebody else', async () => {
    await appendEvent(ledger.eventStore, { stream: 'parcel-t_1', type: 'Anything' });
    await appendEvent(ledger.eventStore, { stream: 'other-without', type: 'Anything' });
    await ledger.write('d', consume('after', 1n));
    const models = await ledger.project();
    await ledger.caughtUp(models);
    expect(await stopped(models)).toEqual([]);
  });

  test('is where a version that knows it goes on, and nothing is lost', async () => {
    const old = await ledger.project({ batchSize: 2 });
    await ledger.write('c', consume('before', 1n));
    const expiry = { grantId: 'g', unit: 'calls', amount: '4', balanceAfter: '0', cause: 'ended' };
    const position = await appendEvent(ledger.eventStore, {
      stream: 'creditAccount-t_c',
      type: 'GrantExpired',
      data: { ...expiry, expiredAt: '2026-01-01T00:00:00.000Z' },
      schemaVersion: 3,
    });
    await ledger.write('d', consume('after', 1n));
    await allStopped(old);
    expect(new Set((await stopped(old)).map((one) => one.position))).toEqual(new Set([position - 1n]));
    await old.close();

    const mended = await ledger.project({ eventTypes: knowing('creditAccount', 'GrantExpired', 3) });
    await ledger.caughtUp(mended);
    expect(await stopped(mended)).toEqual([]);
    const { balances, usage } = await allRows(ledger.pool);
    expect(balances).toEqual([
      expect.stringMatching(/^\(t,c,calls,0,0,/),
      expect.stringMatching(/^\(t,d,calls,6,0,/),
    ]);
    expect(usage).toHaveLength(2);
  });

  test('of an old version is read as the newest', async () => {
    await appendEvent(ledger.eventStore, {
      stream: 'creditAccount-t_c',
      type: 'GrantExpired',
      data: {
        grantId: 'g',
        unit: 'calls',
        amount: '5',
        balanceAfter: '0',
        expiredAt: '2026-01-01T00:00:00.000Z',
      },
      schemaVersion: 1,
    });
    const seen: unknown[] = [];
    const [spy] = PROJECTIONS.filter(({ name }) => name === 'usage').map((projection) => ({
      ...projection,
      project: async (events: readonly { readonly type: string; readonly data: unknown }[]) =>
        void seen.push(...events.filter(({ type }) => type === 'GrantExpired').map(({ data }) => data)),
    }));
    await ledger.caughtUp(await ledger.project({ projections: [spy!] }));
    expect(seen).toEqual([expect.objectContaining({ grantId: 'g', cause: 'ended' })]);
  });
});
