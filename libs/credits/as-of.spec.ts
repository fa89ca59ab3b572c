import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { accountAsOf, unitOf, type CreditEvent, type RecordedFact } from '#libs/credits';
import { formatAmount, HOUR } from '#libs/kernel';
import { lives } from '../../test/support/arbitraries.js';
import { consumed, day, issued } from '../../test/support/credit-facts.js';
import { fold, play, settleAt } from '../../test/support/credit-history.js';
import { plainAsOf } from '../../test/support/plain-as-of.js';

const logOf = (turns: ReturnType<typeof play>): readonly RecordedFact[] =>
  turns.flatMap(({ settled, events, now }) =>
    [...settled, ...events].map((fact) => ({ fact, recordedAt: now })),
  );

describe('an account as of an instant', () => {
  test('is the folded state, also where usage lies ahead of its recording', () => {
    let seen = 0;
    fc.assert(
      fc.property(lives(), fc.nat(48), (steps, hours) => {
        const turns = play(steps);
        const log = logOf(turns);
        const at = turns.at(-1)!.now + hours * HOUR;
        const folded = fold(log.map(({ fact }) => fact));
        const state = fold(settleAt(folded, at), folded);
        for (const one of accountAsOf(log, at)) {
          const account = unitOf(state, one.unit);
          const active = account.grants.filter(
            ({ effectiveAt, remaining }) => effectiveAt <= at && remaining > 0n,
          );
          const sum = active.reduce((total, { remaining }) => total + remaining, 0n);
          expect(one).toMatchObject({
            ledger: sum + account.held,
            held: account.held,
            debt: account.debt,
            scheduled: account.balance - sum,
          });
          expect(one.grants).toBe(active.length);
          if (sum > 0n) seen++;
        }
      }),
      { numRuns: 200 },
    );
    expect(seen).toBeGreaterThan(50);
  });

  test('is what every fact looked at one by one gives, after any of them and at any time', () => {
    fc.assert(
      fc.property(lives(), fc.nat(), fc.integer({ min: -30, max: 80 }), (steps, count, hours) => {
        const turns = play(steps);
        const log = logOf(turns);
        const known = log.slice(0, count % (log.length + 1));
        for (const at of [turns[0]!.now, turns.at(-1)!.now])
          expect(accountAsOf(known, at + hours * HOUR)).toEqual(plainAsOf(known, at + hours * HOUR));
      }),
      { numRuns: 300 },
    );
  });

  test('follows the half-open windows exactly, whatever was recorded when', () => {
    const at = (text: string): number => Date.parse(text);
    const facts: readonly CreditEvent[] = [
      {
        type: 'GrantIssued',
        data: {
          grantId: 'g',
          unit: 'calls',
          amount: '10',
          effectiveAt: '2026-01-02T00:00:00.000Z',
          expiresAt: '2026-01-05T00:00:00.000Z',
          priority: 50,
          category: 'promotional',
          source: 'manual',
          kind: 'prepaid',
          scope: 'merchant',
          costBasis: '0',
          issuedAt: '2026-01-01T00:00:00.000Z',
          balanceAfter: '10',
        },
      },
      {
        type: 'GrantActivated',
        data: { grantId: 'g', unit: 'calls', activatedAt: '2026-01-02T00:00:00.000Z' },
      },
      {
        type: 'CreditsConsumed',
        data: {
          consumptionId: 'c',
          unit: 'calls',
          requested: '4',
          onShortage: 'refuse',
          effectiveAt: '2026-01-03T00:00:00.000Z',
          allocations: [{ grantId: 'g', amount: '4', remainingAfter: '6' }],
          consumed: '4',
          shortfall: '0',
          debt: '0',
          balanceAfter: '6',
          debtAfter: '0',
          availableAfter: '6',
        },
      },
    ];
    const log = facts.map((fact) => ({ fact, recordedAt: at('2026-01-04T00:00:00.000Z') }));
    const ledgers = [
      '2026-01-01T23:59:59.999Z',
      '2026-01-02T00:00:00.000Z',
      '2026-01-02T23:59:59.999Z',
      '2026-01-03T00:00:00.000Z',
      '2026-01-04T23:59:59.999Z',
      '2026-01-05T00:00:00.000Z',
    ].map((time) =>
      accountAsOf(log, at(time)).map(({ ledger, scheduled }) => [ledger, scheduled].map(String)),
    );
    const units = (amount: number): string => `${amount * 10 ** 12}`;
    expect(ledgers).toEqual([
      [['0', units(10)]],
      [[units(10), '0']],
      [[units(10), '0']],
      [[units(6), '0']],
      [[units(6), '0']],
      [['0', '0']],
    ]);
  });

  test('counts usage ahead of its recording from then on: nobody else can draw it', () => {
    const log = [
      { fact: issued('g', '10'), recordedAt: day(0) },
      { fact: consumed('c', [['g', '4', '6']], { on: 2 }), recordedAt: day(1) },
    ];
    const ledgerOn = (count: number): string =>
      accountAsOf(log, day(count))
        .map(({ ledger }) => formatAmount(ledger))
        .join();
    expect([0, 1, 2].map(ledgerOn)).toEqual(['10', '6', '6']);
  });

  test('names a unit once something was recorded in it, though it moved nothing', () => {
    const log = [{ fact: consumed('c', []), recordedAt: day(1) }];
    expect(accountAsOf(log, day(1))).toMatchObject([{ unit: 'calls', ledger: 0n, debt: 0n, grants: 0 }]);
    expect(accountAsOf([], day(1))).toEqual([]);
  });
});
