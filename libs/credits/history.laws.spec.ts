import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  burnDown,
  creditAccount,
  dueFacts,
  snapshotOf,
  unitOf,
  type AccountState,
  type Consume,
  type CreditEvent,
  type GrantIssued,
  type NewGrant,
} from '#libs/credits';
import { HOUR } from '#libs/kernel';
import { amounts, contexts, histories } from '../../test/support/arbitraries.js';
import { day, newGrant } from '../../test/support/credit-facts.js';
import { availableTo, fold, partsOf, play, type Turn } from '../../test/support/credit-history.js';
import { mayPay } from '../../test/support/credit-model.js';

const ALL = histories(30);
const total = (values: readonly bigint[]): bigint => values.reduce((sum, value) => sum + value, 0n);
const textOf = (state: AccountState): string =>
  JSON.stringify({ ...(snapshotOf(state) as object), revision: 0 });
const eventsOf = (turns: readonly Turn[]): CreditEvent[] =>
  turns.flatMap(({ settled, events }) => [...settled, ...events]);
/** Consumptions that were tried, with what was decided. */
const tried = (turns: readonly Turn[]) =>
  turns.flatMap((turn) =>
    turn.command.type === 'Consume' ? [{ ...turn, command: turn.command, event: turn.events[0]! }] : [],
  );

/** Every grant issued, with what each fact took out of it. */
function accountsOf(
  events: readonly CreditEvent[],
): Map<string, { data: GrantIssued; taken: bigint[]; ends: string[] }> {
  const grants = new Map<string, { data: GrantIssued; taken: bigint[]; ends: string[] }>();
  for (const { type, data } of events) {
    if (type === 'GrantIssued') grants.set(data.grantId, { data, taken: [], ends: [] });
    if (type === 'CreditsConsumed')
      for (const part of data.allocations) grants.get(part.grantId)!.taken.push(partsOf(part.amount));
    if (type === 'DebtSettled' || type === 'GrantExpired' || type === 'GrantVoided')
      grants.get(data.grantId)!.taken.push(partsOf(data.amount));
    if (type === 'GrantExpired' || type === 'GrantVoided') grants.get(data.grantId)!.ends.push(type);
  }
  return grants;
}

describe('conservation', () => {
  test('every grant: initial = remaining + consumed + settled + expired + voided, ended at most once', () => {
    let ends = 0;
    fc.assert(
      fc.property(ALL, (steps) => {
        const turns = play(steps);
        const state = turns.at(-1)!.after;
        for (const [id, { data, taken, ends: endings }] of accountsOf(eventsOf(turns))) {
          const remaining = unitOf(state, data.unit).grants.find((grant) => grant.id === id)?.remaining ?? 0n;
          expect(remaining + total(taken)).toBe(partsOf(data.amount));
          expect(taken.every((amount) => amount > 0n)).toBe(true);
          expect(endings.length).toBeLessThan(2);
          expect(state.ended.has(id)).toBe(remaining === 0n);
          ends += endings.length;
        }
      }),
      { numRuns: 300 },
    );
    expect(ends).toBeGreaterThan(200);
  });

  test('every consumption: parts + shortfall = requested, parts above zero, each grant once', () => {
    fc.assert(
      fc.property(ALL, (steps) => {
        for (const { event } of tried(play(steps))) {
          if (event.type !== 'CreditsConsumed') continue;
          const { allocations, consumed, shortfall, debt, requested, onShortage } = event.data;
          const parts = allocations.map(({ amount }) => partsOf(amount));
          expect(total(parts)).toBe(partsOf(consumed));
          expect(partsOf(consumed) + partsOf(shortfall)).toBe(partsOf(requested));
          expect(partsOf(debt)).toBe(onShortage === 'pending' ? partsOf(shortfall) : 0n);
          expect(parts.every((part) => part > 0n)).toBe(true);
          expect(new Set(allocations.map(({ grantId }) => grantId)).size).toBe(allocations.length);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('balance and debt after each fact are the running sums of all movements', () => {
    fc.assert(
      fc.property(ALL, (steps) => {
        const balances = new Map<string, bigint>();
        const debts = new Map<string, bigint>();
        const move = (sums: Map<string, bigint>, unit: string, amount: bigint, told: string): void => {
          sums.set(unit, (sums.get(unit) ?? 0n) + amount);
          expect(partsOf(told)).toBe(sums.get(unit));
        };
        for (const { type, data } of eventsOf(play(steps))) {
          if (type === 'GrantIssued') move(balances, data.unit, partsOf(data.amount), data.balanceAfter);
          if (type === 'GrantExpired' || type === 'GrantVoided')
            move(balances, data.unit, -partsOf(data.amount), data.balanceAfter);
          if (type === 'DebtSettled' || type === 'CreditsConsumed') {
            const drawn = type === 'DebtSettled' ? data.amount : data.consumed;
            move(balances, data.unit, -partsOf(drawn), data.balanceAfter);
            const owed = type === 'DebtSettled' ? -partsOf(data.amount) : partsOf(data.debt);
            move(debts, data.unit, owed, data.debtAfter);
          }
        }
        for (const sum of [...balances.values(), ...debts.values()]) expect(sum >= 0n).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});

describe('who pays', () => {
  test('only grants of the unit, effective at the usage’s time, open, and admitting it', () => {
    let parts = 0;
    fc.assert(
      fc.property(ALL, (steps) => {
        const ended = new Set<string>();
        const issued = new Map<string, GrantIssued>();
        for (const { command, settled, events } of play(steps)) {
          for (const { type, data } of [...settled, ...events]) {
            if (type === 'GrantIssued') issued.set(data.grantId, data);
            if (type === 'GrantExpired' || type === 'GrantVoided') ended.add(data.grantId);
            if (type !== 'CreditsConsumed' || command.type !== 'Consume') continue;
            for (const { grantId } of data.allocations) {
              const grant = issued.get(grantId)!;
              parts++;
              expect(grant.unit).toBe(command.unit);
              expect(Date.parse(grant.effectiveAt)).toBeLessThanOrEqual(command.effectiveAt);
              expect(Date.parse(grant.expiresAt ?? '9999-12-31T00:00:00Z')).toBeGreaterThan(
                command.effectiveAt,
              );
              expect(ended).not.toContain(grantId);
              expect(mayPay(grant.applicability ?? {}, command.context)).toBe(true);
            }
          }
        }
      }),
      { numRuns: 300 },
    );
    expect(parts).toBeGreaterThan(200);
  });

  test('a grant gives only when all eligible ones before it are empty', () => {
    fc.assert(
      fc.property(ALL, (steps) => {
        for (const { event, command, before } of tried(play(steps))) {
          if (event.type !== 'CreditsConsumed') continue;
          const eligible = unitOf(before, command.unit).grants.filter(
            ({ effectiveAt, expiresAt, applicability }) =>
              effectiveAt <= command.effectiveAt &&
              command.effectiveAt < expiresAt &&
              mayPay(applicability ?? {}, command.context),
          );
          const order = eligible.map(({ id }) => id);
          const { allocations } = event.data;
          expect(allocations.map(({ grantId }) => grantId)).toEqual(order.slice(0, allocations.length));
          expect(allocations.slice(0, -1).every(({ remainingAfter }) => remainingAfter === '0')).toBe(true);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('the result depends neither on the order in which grants came nor on how many others there are', () => {
    const template = fc.record({
      amount: amounts,
      until: fc.option(fc.integer({ min: 2, max: 9 }), { nil: undefined }),
    });
    fc.assert(
      fc.property(
        fc.array(template, { minLength: 1, maxLength: 8 }),
        fc.infiniteStream(fc.nat({ max: 99 })),
        amounts,
        (all, dice, asked) => {
          const grants = all.map(({ amount, until }, index): NewGrant => ({
            ...newGrant(`g${index}`, '1', { ...(until === undefined ? {} : { until }), priority: index }),
            amount,
          }));
          const others = [
            newGrant('gone', '5', { from: -9, until: 1, priority: 0 }),
            newGrant('euro', '5', { unit: 'EUR', priority: 0 }),
            newGrant('later', '5', { from: 5, priority: 0 }),
            newGrant('not for it', '5', { priority: 0, applicability: { features: ['chat'] } }),
          ];
          const drawnFrom = (listed: readonly NewGrant[]) => {
            const now = day(1);
            const state = fold(
              creditAccount.decide({ type: 'IssueGrants', now, grants: listed }, creditAccount.initialState),
            );
            return burnDown(unitOf(state, 'calls'), asked * 3n, now, now, {}).allocations.map(
              ({ grant, amount }) => [grant.id, amount],
            );
          };
          const shuffled = [...grants, ...others]
            .map((grant) => ({ grant, at: dice.next().value }))
            .sort((a, b) => a.at - b.at);
          expect(drawnFrom(shuffled.map(({ grant }) => grant))).toEqual(drawnFrom(grants));
        },
      ),
      { numRuns: 400 },
    );
  });
});

describe('how much', () => {
  test('refuse takes all or nothing; the others take what there is', () => {
    const seen = { short: 0, full: 0 };
    fc.assert(
      fc.property(ALL, (steps) => {
        for (const { event, command, before, after } of tried(play(steps))) {
          const available = availableTo(unitOf(before, command.unit), command.effectiveAt, command.context);
          const isShort = command.amount > available;
          seen[isShort ? 'short' : 'full']++;
          if (event.type === 'ConsumptionRefused') {
            expect(isShort && ['refuse', 'pending'].includes(command.onShortage)).toBe(true);
            expect(partsOf(event.data.available)).toBe(available);
          } else if (event.type === 'CreditsConsumed') {
            expect(isShort && command.onShortage === 'refuse').toBe(false);
            expect(partsOf(event.data.consumed)).toBe(isShort ? available : command.amount);
            const left = availableTo(unitOf(after, command.unit), command.now, command.context);
            expect(partsOf(event.data.availableAfter)).toBe(left);
          }
        }
      }),
      { numRuns: 300 },
    );
    expect(Math.min(seen.short, seen.full)).toBeGreaterThan(100);
  });

  test('debt grows only under pending, and never beyond the limit of the command that makes it grow', () => {
    let limited = 0;
    fc.assert(
      fc.property(ALL, (steps) => {
        for (const { command, before, after, event } of tried(play(steps))) {
          const grown = unitOf(after, command.unit).debt - unitOf(before, command.unit).debt;
          expect(grown >= 0n && (grown === 0n || command.onShortage === 'pending')).toBe(true);
          if (grown > 0n && command.debtLimit !== undefined)
            expect(unitOf(after, command.unit).debt <= command.debtLimit).toBe(true);
          if (event.type === 'ConsumptionRefused' && event.data.reason === 'debt_limit') limited++;
        }
      }),
      { numRuns: 300 },
    );
    expect(limited).toBeGreaterThan(20);
  });

  test('several consumptions in a row leave what one of their sum leaves', () => {
    fc.assert(
      fc.property(
        ALL,
        contexts,
        fc.array(amounts, { minLength: 2, maxLength: 4 }),
        (steps, context, parts) => {
          const { before, now } = play(steps).at(-1)!;
          const ask = (amount: bigint, index: number): Consume => ({
            type: 'Consume',
            now,
            consumptionId: `part${index}`,
            unit: 'calls',
            amount,
            onShortage: 'partial',
            effectiveAt: now,
            context,
          });
          const whole = fold(creditAccount.decide(ask(total(parts), 0), before), before);
          const split = parts.reduce(
            (state, part, index) => fold(creditAccount.decide(ask(part, index), state), state),
            before,
          );
          expect(textOf(split)).toBe(textOf(whole));
        },
      ),
      { numRuns: 300 },
    );
  });

  test('a refused command leaves the account as it was, byte for byte', () => {
    let refusals = 0;
    fc.assert(
      fc.property(ALL, (steps) => {
        for (const { events, problem, before, after } of play(steps)) {
          const refused = events.some(
            ({ type }) => type === 'ConsumptionRefused' || type === 'CommandRefused',
          );
          if (!refused && problem === null) continue;
          refusals++;
          expect(events).toHaveLength(refused ? 1 : 0);
          expect(textOf(after)).toBe(textOf(before));
          expect(after.nextDue).toBe(before.nextDue);
        }
      }),
      { numRuns: 300 },
    );
    expect(refusals).toBeGreaterThan(200);
  });
});

describe('time', () => {
  test('a grant’s end takes it out of what is available without anything being recorded', () => {
    fc.assert(
      fc.property(ALL, contexts, fc.integer({ min: 0, max: 60 }), (steps, context, hours) => {
        const { after, now } = play(steps).at(-1)!;
        const later = now + hours * HOUR;
        const settled = fold(dueFacts(after, later), after);
        for (const unit of ['calls', 'EUR']) {
          const unrecorded = availableTo(unitOf(after, unit), later, context);
          const debtPaid = unitOf(after, unit).debt > unitOf(settled, unit).debt;
          if (!debtPaid) expect(availableTo(unitOf(settled, unit), later, context)).toBe(unrecorded);
          expect(unitOf(settled, unit).grants.every(({ expiresAt }) => expiresAt > later)).toBe(true);
        }
      }),
      { numRuns: 300 },
    );
  });
});
