import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { creditAccount, dueFacts, snapshotOf, stateFromSnapshot, type AccountState } from '#libs/credits';
import { canonicalJson, HOUR, type Json } from '#libs/kernel';
import { lives } from '../../test/support/arbitraries.js';
import { fold, play, settleAt } from '../../test/support/credit-history.js';

const stored = (state: AccountState): unknown => JSON.parse(JSON.stringify(snapshotOf(state)));
const logOf = (turns: ReturnType<typeof play>) =>
  turns.flatMap(({ settled, events }) => [...settled, ...events]);

describe('a fold', () => {
  test('may stop at any fact and go on from there, from memory or from a snapshot', () => {
    fc.assert(
      fc.property(lives(), fc.nat(), (steps, cutAt) => {
        const turns = play(steps);
        const log = logOf(turns);
        const cut = cutAt % (log.length + 1);
        const whole = fold(log);
        const start = fold(log.slice(0, cut));
        const revived = stateFromSnapshot(stored(start));
        expect(revived).toEqual(start);
        expect(start.revision).toBe(cut - 1);
        expect(fold(log.slice(cut), start)).toEqual(whole);
        expect(fold(log.slice(cut), revived)).toEqual(whole);
        expect(whole).toEqual(turns.at(-1)!.after);
      }),
      { numRuns: 400 },
    );
  });

  test('decides the same from a snapshot taken before any command', () => {
    fc.assert(
      fc.property(lives(15), (steps) => {
        for (const { before, command, events, problem, now } of play(steps)) {
          const revived = stateFromSnapshot(stored(before));
          if (problem === null) expect(creditAccount.decide(command, revived)).toEqual(events);
          expect(settleAt(revived, now + 99 * HOUR)).toEqual(settleAt(before, now + 99 * HOUR));
        }
      }),
      { numRuns: 300 },
    );
  });

  test('is the same of facts that were stored as canonical JSON and read back', () => {
    fc.assert(
      fc.property(lives(), (steps) => {
        const log = logOf(play(steps));
        const text = canonicalJson(log as unknown as Json);
        expect(JSON.parse(text)).toEqual(log);
        expect(fold(JSON.parse(text) as typeof log)).toEqual(fold(log));
      }),
      { numRuns: 200 },
    );
  });

  test('never changes a state it was given', () => {
    fc.assert(
      fc.property(lives(15), (steps) => {
        const turns = play(steps);
        const log = logOf(turns);
        const states = log.map((_, index) => fold(log.slice(0, index)));
        const texts = states.map((state) => JSON.stringify(snapshotOf(state)));
        log.forEach((event, index) => creditAccount.evolve(states[index]!, event));
        expect(states.map((state) => JSON.stringify(snapshotOf(state)))).toEqual(texts);
      }),
      { numRuns: 100 },
    );
  });
});

describe('settling', () => {
  test('a second time finds nothing', () => {
    fc.assert(
      fc.property(lives(), fc.integer({ min: 0, max: 80 }), (steps, hours) => {
        const { after, now } = play(steps).at(-1)!;
        const later = now + hours * HOUR;
        const settled = fold(dueFacts(after, later), after);
        expect(dueFacts(settled, later)).toEqual([]);
        expect(settled.nextDue).toBeGreaterThan(later);
      }),
      { numRuns: 400 },
    );
  });

  test('in one go is settling in between and then again', () => {
    let split = 0;
    fc.assert(
      fc.property(
        lives(),
        fc.integer({ min: 0, max: 40 }),
        fc.integer({ min: 0, max: 40 }),
        (steps, first, second) => {
          const { after, now } = play(steps).at(-1)!;
          const [t1, t2] = [now + first * HOUR, now + (first + second) * HOUR];
          const early = dueFacts(after, t1);
          const late = dueFacts(fold(early, after), t2);
          if (early.length > 0 && late.length > 0) split++;
          expect(dueFacts(after, t2)).toEqual([...early, ...late]);
        },
      ),
      { numRuns: 600 },
    );
    expect(split).toBeGreaterThan(15);
  });

  test('with a grace ends no grant before its end plus the grace', () => {
    fc.assert(
      fc.property(
        lives(),
        fc.integer({ min: 0, max: 40 }),
        fc.integer({ min: 0, max: 20 }),
        (steps, hours, grace) => {
          const { after, now } = play(steps).at(-1)!;
          const later = now + hours * HOUR;
          const ends = (facts: readonly { type: string; data: { expiredAt?: string } }[]): string[] =>
            facts.flatMap(({ type, data }) => (type === 'GrantExpired' ? [data.expiredAt!] : []));
          const graced = ends(dueFacts(after, later, grace * HOUR) as never);
          expect(graced).toEqual(
            ends(dueFacts(after, later) as never).filter((end) => Date.parse(end) + grace * HOUR <= later),
          );
        },
      ),
      { numRuns: 200 },
    );
  });
});
