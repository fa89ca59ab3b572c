import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { grantStatus, unitOf, type AccountState, type CreditEvent } from '#libs/credits';
import { contexts, histories } from '../../test/support/arbitraries.js';
import { availableTo, outcomesOf, play, tellModel, type Turn } from '../../test/support/credit-history.js';
import { CreditModel, type Outcome } from '../../test/support/credit-model.js';

const UNITS = ['calls', 'EUR'];

/** The order between units is nobody's rule. */
const byUnit = (outcomes: readonly Outcome[]): Outcome[][] =>
  UNITS.map((unit) => outcomes.filter((outcome) => !('unit' in outcome) || outcome.unit === unit));

/** Every grant ever issued with its status and remainder, as the account knows them. */
function statusesOf(history: readonly CreditEvent[], state: AccountState, now: number): unknown[] {
  return history.flatMap((event) => {
    if (event.type !== 'GrantIssued') return [];
    const { grantId, unit, effectiveAt, expiresAt } = event.data;
    const remaining = unitOf(state, unit).grants.find(({ id }) => id === grantId)?.remaining ?? 0n;
    const endedAs = state.ended.get(grantId)?.endedAs ?? null;
    const end = expiresAt === undefined ? null : Date.parse(expiresAt);
    return [[grantId, grantStatus({ endedAs }, Date.parse(effectiveAt), end, now), remaining]];
  });
}

/** How often each kind of command did something and was turned down. */
const tally: Record<string, { accepted: number; refused: number }> = {};

function count({ command, events, problem }: Turn): void {
  const kind = (tally[command.type] ??= { accepted: 0, refused: 0 });
  const refused =
    problem !== null ||
    events.length === 0 ||
    events.some(({ type }) => type === 'ConsumptionRefused' || type === 'CommandRefused');
  kind[refused ? 'refused' : 'accepted']++;
}

describe('the account beside the model', () => {
  test('says the same of every command, balance, debt, availability and status', () => {
    fc.assert(
      fc.property(histories(), contexts, (steps, asked) => {
        const model = new CreditModel();
        const history: CreditEvent[] = [];
        for (const turn of play(steps)) {
          const { command, now, settled, events, after, problem } = turn;
          count(turn);
          history.push(...settled, ...events);
          if (command.type !== 'SettleDue')
            expect(byUnit(outcomesOf(settled))).toEqual(byUnit(model.pass(now)));
          expect(byUnit(outcomesOf(events, problem))).toEqual(byUnit(tellModel(model, command)));
          for (const unit of UNITS) {
            const account = unitOf(after, unit);
            expect(account.balance).toBe(model.balance(unit));
            expect(account.debt).toBe(model.debt(unit));
            for (const at of [now - 3_600_000, now, now + 36_000_000])
              expect(availableTo(account, at, asked)).toBe(model.available(unit, at, asked));
          }
          expect(statusesOf(history, after, now)).toEqual(model.statuses(now));
        }
      }),
      { numRuns: 600 },
    );
  });

  test('was asked for what is accepted and for what is refused', () => {
    const shares = Object.entries(tally).flatMap(([kind, { accepted, refused }]) => [
      [`${kind} accepted`, accepted / (accepted + refused)] as const,
      [`${kind} refused`, refused / (accepted + refused)] as const,
    ]);
    expect(shares).toHaveLength(8);
    expect(shares.filter(([, share]) => share < 0.05)).toEqual([]);
  });
});
