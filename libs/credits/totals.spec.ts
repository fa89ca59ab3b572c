import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { movementsOf, postingsOf, totalsOf, type CreditEvent } from '#libs/credits';
import { lives } from '../../test/support/arbitraries.js';
import { partsOf, play } from '../../test/support/credit-history.js';

const logOf = (turns: ReturnType<typeof play>): CreditEvent[] =>
  turns.flatMap(({ settled, events }) => [...settled, ...events]);
const total = (amounts: readonly bigint[]): bigint => amounts.reduce((sum, amount) => sum + amount, 0n);

describe('movements', () => {
  test('add up to what remains of each grant, to the balance, to what is held and to what is owed', () => {
    fc.assert(
      fc.property(lives(30), (steps) => {
        const turns = play(steps);
        const moves = logOf(turns).flatMap(movementsOf);
        const { units } = turns.at(-1)!.after;
        for (const [unit, { grants, balance, held, debt }] of units) {
          const ours = moves.filter((move) => move.unit === unit);
          const sum = (some: typeof ours): bigint => total(some.map(({ amount }) => amount));
          expect(sum(ours.filter(({ grantId }) => grantId !== null))).toBe(balance);
          for (const { id, remaining } of grants)
            expect(sum(ours.filter(({ grantId }) => grantId === id))).toBe(remaining);
          expect(-sum(ours.filter(({ kind }) => kind === 'hold' || kind === 'release'))).toBe(held);
          const owed = ours.filter(({ grantId }) => grantId === null);
          const paid = ours.filter(({ kind }) => kind === 'settlement');
          expect(sum(paid) - sum(owed)).toBe(debt);
        }
      }),
      { numRuns: 200 },
    );
  });

  test('of a hold that is captured in part after its grant has ended: the rest is lost', () => {
    const allocations = [
      {
        grantId: 'g',
        amount: '1',
        released: '3',
        remainingAfter: '0',
        heldAfter: '0',
        forfeited: 'expired' as const,
      },
    ];
    const fact: CreditEvent = {
      type: 'HoldCaptured',
      data: {
        holdId: 'h',
        unit: 'calls',
        captured: '1',
        released: '3',
        allocations,
        effectiveAt: '2026-01-03T00:00:00.000Z',
        balanceAfter: '0',
        heldAfter: '0',
        capturedAt: '2026-01-03T00:00:00.000Z',
      },
    };
    expect(movementsOf(fact).map(({ kind, amount }) => [kind, amount / 10n ** 12n])).toEqual([
      ['release', 4n],
      ['capture', -1n],
      ['expiration', -3n],
    ]);
  });

  test('of each fact run to the balance it states', () => {
    fc.assert(
      fc.property(lives(30), (steps) => {
        const balances = new Map<string, bigint>();
        for (const fact of logOf(play(steps))) {
          for (const { unit, grantId, amount } of movementsOf(fact))
            if (grantId !== null) balances.set(unit, (balances.get(unit) ?? 0n) + amount);
          if ('balanceAfter' in fact.data)
            expect(partsOf(fact.data.balanceAfter)).toBe(balances.get(fact.data.unit) ?? 0n);
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe('totals', () => {
  test('of whatever key tie what came to what went', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(lives(30), fc.constantFrom('unit', 'source', 'day'), (steps, by) => {
        const turns = play(steps);
        const log = logOf(turns);
        const { totals, add } = totalsOf((grant, { at, unit }) => {
          if (by === 'unit') return unit;
          return by === 'source'
            ? `${unit} ${grant.source}`
            : `${unit} ${new Date(at).toISOString().slice(0, 10)}`;
        });
        for (const fact of log) add(fact);
        for (const each of totals.values()) {
          const came = total([each.granted, each.amended, each.adjusted, each.carriedIn, each.reversed]);
          const went = total([each.consumed, each.settled, each.expired, each.voided, each.carriedOut]);
          expect(came).toBe(went + each.held + each.outstanding);
          expect(total(Object.values(each.breakage))).toBe(each.expired);
          for (const cause of Object.keys(each.breakage)) seen.add(cause);
        }
        const { units } = turns.at(-1)!.after;
        for (const [unit, { balance, held }] of units) {
          const ours = [...totals].filter(([key]) => key.split(' ')[0] === unit).map(([, each]) => each);
          expect(total(ours.map(({ outstanding }) => outstanding))).toBe(balance);
          expect(total(ours.map((each) => each.held))).toBe(held);
          expect(total(ours.map((each) => each.carriedIn))).toBe(total(ours.map((each) => each.carriedOut)));
        }
      }),
      { numRuns: 300 },
    );
    expect(seen.size).toBeGreaterThan(4);
  });
});

describe('the journal', () => {
  test('balances for every fact and unit, and its accounts say what the account says', () => {
    fc.assert(
      fc.property(lives(30), (steps) => {
        const turns = play(steps);
        const sums = new Map<string, bigint>();
        for (const fact of logOf(turns)) {
          const postings = postingsOf(fact);
          const units = new Set(postings.map(({ unit }) => unit));
          for (const unit of units)
            expect(total(postings.filter((each) => each.unit === unit).map(({ amount }) => amount))).toBe(0n);
          for (const { account, unit, amount } of postings)
            sums.set(`${account} ${unit}`, (sums.get(`${account} ${unit}`) ?? 0n) + amount);
        }
        for (const [unit, { balance, held, debt }] of turns.at(-1)!.after.units) {
          expect(sums.get(`outstanding ${unit}`) ?? 0n).toBe(balance);
          expect(sums.get(`held ${unit}`) ?? 0n).toBe(held);
          expect(-(sums.get(`debt ${unit}`) ?? 0n)).toBe(debt);
          expect(sums.get(`carried ${unit}`) ?? 0n).toBe(0n);
        }
      }),
      { numRuns: 200 },
    );
  });
});
