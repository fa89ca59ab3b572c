import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readAmount, readInstant } from '#libs/kernel';
import { creditAccount, explanationText, grantHistory, type Asked, type CreditEvent } from '#libs/credits';
import { contexts, lives } from '../../test/support/arbitraries.js';
import { amountOf, consumed, day, issued, voided } from '../../test/support/credit-facts.js';
import { partsOf, play } from '../../test/support/credit-history.js';

const facts: readonly CreditEvent[] = [
  issued('second', '10', { priority: 20 }),
  issued('first', '5', { priority: 10 }),
  issued('third', '30', { priority: 20, costBasis: '1' }),
  issued('chat', '9', { applicability: { features: ['chat'] }, priority: 0 }),
  issued('later', '9', { from: 5, priority: 0 }),
  issued('gone', '9', { priority: 0, until: 1 }),
  issued('revoked', '9', { priority: 0 }),
  voided('revoked', '9', 1),
  issued('used', '2', { priority: 0 }),
  consumed('c0', [['used', '2', '0']]),
  issued('euro', '9', { unit: 'EUR' }),
];
const asked = { unit: 'calls', amount: amountOf('18'), at: day(2), context: { featureSlug: 'search' } };

/** Why usage would draw what it draws, in the account that these facts make. */
function explain(log: readonly CreditEvent[], usage: Asked) {
  const history = grantHistory();
  for (const fact of log) history.add(fact);
  return history.explain(usage);
}

/** Why a recorded consumption drew what it drew: from the facts before it, as the API works it out. */
function explainRecorded(log: readonly CreditEvent[], consumptionId: string) {
  const history = grantHistory();
  for (const fact of log) {
    const { type, data } = fact;
    if (type === 'CreditsConsumed' && data.consumptionId === consumptionId)
      return history.explain({
        unit: data.unit,
        amount: readAmount(data.requested),
        at: readInstant(data.effectiveAt),
        context: data.context ?? {},
      });
    history.add(fact);
  }
  throw new Error(`${consumptionId} is not among the facts`);
}

describe('an explanation', () => {
  test('names every grant in order, with what it gave or why it did not', () => {
    const { candidates, covered, shortfall } = explain(facts, asked);
    expect([covered, shortfall]).toEqual([amountOf('18'), 0n]);
    expect(
      candidates.map(({ grantId, verdict, limit, taken, after }) => [grantId, verdict, limit, taken, after]),
    ).toEqual([
      ['chat', 'not_applicable', 'targets', 0n, null],
      ['gone', 'over', null, 0n, 'targets'],
      ['revoked', 'voided', null, 0n, 'expiry'],
      ['used', 'depleted', null, 0n, 'position'],
      ['later', 'not_begun', null, 0n, 'start'],
      ['first', 'taken', null, amountOf('5'), 'priority'],
      ['second', 'taken', null, amountOf('10'), 'priority'],
      ['third', 'taken', null, amountOf('3'), 'cost'],
      ['euro', 'other_unit', null, 0n, null],
    ]);
  });

  test('can be read', () => {
    expect(explanationText(explain(facts, { ...asked, amount: amountOf('50') }))).toBe(
      [
        'Usage of 50 calls at 2026-01-03T00:00:00.000Z: 45 is covered, 5 is short.',
        '1. chat does not apply: its targets leave the usage out',
        '2. gone (after the one before by targets) ended at 2026-01-02T00:00:00.000Z',
        '3. revoked (after the one before by expiry) was revoked',
        '4. used (after the one before by position) is used up',
        '5. later (after the one before by start) begins only at 2026-01-06T00:00:00.000Z',
        '6. first (after the one before by priority) gives 5 of 5, 0 stays',
        '7. second (after the one before by priority) gives 10 of 10, 0 stays',
        '8. third (after the one before by cost) gives 30 of 30, 0 stays',
        '9. euro counts EUR',
      ].join('\n'),
    );
  });

  test('of a recorded consumption gives what was recorded, of any other what would be', () => {
    let taken = 0;
    fc.assert(
      fc.property(lives(20), contexts, (steps, context) => {
        const log: CreditEvent[] = [];
        for (const { settled, events, now, after } of play(steps)) {
          log.push(...settled, ...events);
          for (const { type, data } of events) {
            if (type !== 'CreditsConsumed') continue;
            const told = explainRecorded(log, data.consumptionId).candidates.filter((one) => one.taken > 0n);
            expect(told.map((one) => [one.grantId, one.taken, one.remainingAfter])).toEqual(
              data.allocations.map((part) => [
                part.grantId,
                partsOf(part.amount),
                partsOf(part.remainingAfter),
              ]),
            );
            taken += told.length;
          }
          const would = explain(log, { unit: 'calls', amount: amountOf('7'), at: now, context });
          const [event] = creditAccount.decide(
            {
              type: 'Consume',
              now,
              consumptionId: 'would',
              unit: 'calls',
              amount: amountOf('7'),
              onShortage: 'partial',
              effectiveAt: now,
              context,
            },
            after,
          );
          for (const one of would.candidates) expect(one.verdict === 'taken').toBe(one.taken > 0n);
          expect(event).toMatchObject({ type: 'CreditsConsumed' });
          if (event?.type === 'CreditsConsumed') expect(would.covered).toBe(partsOf(event.data.consumed));
        }
      }),
      { numRuns: 60 },
    );
    expect(taken).toBeGreaterThan(10);
  });
});
