import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createMemoryEventStore } from '#libs/event-store/memory';
import type { CreditEvent, RecordedFact } from '#libs/credits';
import { formatAmount, formatInstant, HOUR } from '#libs/kernel';
import { createBalancesAsOf } from '#libs/read-models';
import { appendEvent, appendFacts } from '../support/append-event.js';
import { lives } from '../support/arbitraries.js';
import { play } from '../support/credit-history.js';
import { day, issued } from '../support/credit-facts.js';
import { plainAsOf } from '../support/plain-as-of.js';

const STREAM = 'creditAccount-t_c';

const plain = (known: readonly RecordedFact[], at: number) =>
  plainAsOf(known, at).map(({ unit, ledger, held, debt, scheduled, nextExpiry, grants }) => ({
    unit,
    ledger: formatAmount(ledger),
    held: formatAmount(held),
    debt: formatAmount(debt),
    available: formatAmount(ledger - held),
    scheduled: formatAmount(scheduled),
    nextExpiry: nextExpiry && {
      at: formatInstant(nextExpiry.at),
      amount: formatAmount(nextExpiry.amount),
    },
    grants,
  }));

describe('balances at any time, as known at any time', () => {
  test('are what the log says, in whatever order and between whatever is appended they are asked for', async () => {
    const asking = fc.record({ known: fc.nat(), hours: fc.integer({ min: -40, max: 60 }), by: fc.nat(2) });
    const check = async (
      steps: Parameters<typeof play>[0],
      questions: readonly { known: number; hours: number; by: number }[],
      stateEvery: number,
      mostKept: number,
    ): Promise<void> => {
      const eventStore = createMemoryEventStore();
      const append = appendFacts(eventStore);
      const { balancesAsOf } = createBalancesAsOf(eventStore, { stateEvery, mostKept });
      const log: CreditEvent[] = [];
      const recordedAt: number[] = [];
      for (const [n, { now, settled, events }] of play(steps).entries()) {
        const facts = [...settled, ...events];
        await append(STREAM, facts, now);
        log.push(...facts);
        recordedAt.push(...facts.map(() => now));
        const some = questions.filter((_, index) => index % 3 === n % 3);
        await Promise.all(
          some.map(async ({ known, hours, by }) => {
            const at = now + hours * HOUR;
            const position = known % (log.length + 1);
            const time = now - (known % 30) * HOUR;
            const count = [
              log.length,
              position,
              recordedAt.findLastIndex((recorded) => recorded <= time) + 1,
            ][by]!;
            const answer = await balancesAsOf(STREAM, 'c', {
              at,
              known: [undefined, { position: BigInt(position) }, { recordedAt: time }][by],
            });
            expect(answer).toEqual({
              customerId: 'c',
              at: formatInstant(at),
              position: count,
              balances: plain(
                log.slice(0, count).map((fact, index) => ({ fact, recordedAt: recordedAt[index]! })),
                at,
              ),
            });
          }),
        );
      }
    };
    await fc.assert(
      fc.asyncProperty(
        lives(),
        fc.array(asking, { minLength: 3, maxLength: 12 }),
        fc.constantFrom(1, 3, 4096),
        fc.constantFrom(1, 30, 4_000_000),
        check,
      ),
      { numRuns: 150 },
    );
  }, 60_000);

  test('read a stream once, and then what was appended since', async () => {
    const eventStore = createMemoryEventStore();
    const append = appendFacts(eventStore);
    const read: number[] = [];
    const { balancesAsOf } = createBalancesAsOf({
      async *readStream(stream, from = 0) {
        for await (const event of eventStore.readStream(stream, from)) {
          read.push(event.revision);
          yield event;
        }
      },
    });
    const ask = async (known?: { position: bigint }) =>
      (await balancesAsOf(STREAM, 'c', { at: day(1), known })).balances[0]?.ledger;
    await append(STREAM, [issued('g1', '10'), issued('g2', '5', { balanceAfter: '15' })], day(0));
    expect(await Promise.all([ask(), ask(), ask({ position: 2n })])).toEqual(['15', '15', '15']);
    expect(read).toEqual([0, 1]);
    await append(STREAM, [issued('g3', '1', { balanceAfter: '16' })], day(0));
    expect(await ask({ position: 2n })).toBe('15');
    expect(read).toEqual([0, 1]); // the cut is known to lie inside
    expect(await ask()).toBe('16');
    expect(read).toEqual([0, 1, 2]);
  });

  test('stop in front of what they do not know, and not before it', async () => {
    const eventStore = createMemoryEventStore();
    await appendFacts(eventStore)(STREAM, [issued('g1', '10')], day(0));
    const position = await appendEvent(eventStore, {
      stream: STREAM,
      type: 'GrantDoubled',
      schemaVersion: 1,
    });
    const { balancesAsOf } = createBalancesAsOf(eventStore);
    const ask = (known?: { position: bigint }) => balancesAsOf(STREAM, 'c', { at: day(1), known });
    for (let times = 0; times < 2; times++) {
      await expect(ask()).rejects.toThrow('unknown event: GrantDoubled');
      expect(await ask({ position: position - 1n })).toMatchObject({
        position: 1,
        balances: [{ ledger: '10' }],
      });
    }
  });
});
