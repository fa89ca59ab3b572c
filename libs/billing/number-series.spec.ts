import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { specOf } from '../../test/support/decider-spec.js';
import {
  creditNotePrefix,
  formatNumber,
  nextNumberStep,
  numberOf,
  numberSeries,
  type InvoiceNumberEvent,
  type NumberSeries,
} from './index.js';

const { given } = specOf(numberSeries);
const taken = (first: number, ...ids: string[]): InvoiceNumberEvent => ({
  type: 'NumbersTaken',
  data: { first, ids },
});
const fold = (events: readonly InvoiceNumberEvent[]): NumberSeries =>
  events.reduce(numberSeries.evolve, numberSeries.initialState);
const take = (after: number, ...ids: string[]) => ({ type: 'TakeNumbers' as const, ids, after });

describe('a series of numbers', () => {
  test('goes on from the last, for several at once', () => {
    given([])
      .when(take(0, 'a'))
      .then([taken(1, 'a')]);
    given([taken(1, 'a')])
      .when(take(1, 'b', 'c'))
      .then([taken(2, 'b', 'c')]);
  });

  test('gives nothing where it has moved on', () => {
    given([taken(1, 'a', 'b')])
      .when(take(1, 'c'))
      .thenNothing();
    given([]).when(take(3, 'c')).thenNothing();
  });

  test('answers the same id with the same number', () => {
    const series = fold([taken(1, 'a'), taken(2, 'b', 'c')]);
    expect(['a', 'b', 'c', 'd'].map((id) => numberOf(series, id))).toEqual([null, 2, 3, null]);
    expect(nextNumberStep(series, 'c', () => false)).toEqual({ do: 'use', number: 3 });
  });

  test('has those finished first that have a number', () => {
    const series = fold([taken(1, 'a', 'b')]);
    expect(nextNumberStep(series, 'c', (id) => id === 'a')).toEqual({ do: 'finish', ids: ['b'] });
    expect(nextNumberStep(series, 'c', () => true)).toEqual({ do: 'take', after: 2 });
  });

  test('takes different ids only, and stops at a history with a gap', () => {
    for (const ids of [[], ['a', 'a'], Array.from({ length: 201 }, (_, index) => String(index))])
      expect(() => numberSeries.decide(take(0, ...ids), numberSeries.initialState)).toThrow('different ids');
    expect(() => fold([taken(1, 'a'), taken(3, 'b')])).toThrow('contradicts');
  });

  test.each([
    ['ACME', 7, 'ACME-007'],
    ['ACME', 1234, 'ACME-1234'],
    [creditNotePrefix('ACME'), 1, 'ACME-CN-001'],
  ])('writes %s %d as %s', (prefix, number, text) => expect(formatNumber(prefix, number)).toBe(text));

  /**
   * Workers that finalize the same invoices, each step of each one between any steps of the others, some of them dead
   * halfway. A step is one read or one append; an append to the series wins only at the revision that was read.
   */
  test('has no gap and no double at any moment, whoever crashes where', () => {
    const INVOICES = ['a', 'b', 'c', 'd', 'e'];
    fc.assert(
      fc.property(
        fc.array(
          // in bursts: two invoices may be made between two steps of a worker that stood still
          fc.record({
            worker: fc.nat(2),
            wants: fc.nat(INVOICES.length - 1),
            steps: fc.integer({ min: 1, max: 20 }),
            crash: fc.nat(14),
          }),
          { minLength: 10, maxLength: 40 },
        ),
        (turns) => {
          const log: InvoiceNumberEvent[] = [];
          const numbers = new Map<string, number>();
          const workers = new Map<number, Generator<void, void>>();
          for (const { worker, wants, steps, crash } of turns) {
            if (crash === 0) workers.delete(worker);
            for (let step = 0; step < steps; step++) {
              let work = workers.get(worker);
              if (!work) workers.set(worker, (work = finalizing(INVOICES[wants]!, log, numbers)));
              if (!work.next().done) continue;
              workers.delete(worker);
              break;
            }
            const { last, pending } = fold(log);
            const given = [...numbers.values()];
            expect(new Set(given).size).toBe(given.length);
            // whatever has no number on an invoice is among the last that were taken
            const missing = Array.from({ length: last }, (_, index) => index + 1).filter(
              (one) => !given.includes(one),
            );
            expect(missing.every((one) => one > last - pending.length)).toBe(true);
          }
          for (const id of INVOICES) for (const _ of finalizing(id, log, numbers));
          expect([...numbers.values()].sort((x, y) => x - y)).toEqual(INVOICES.map((_, index) => index + 1));
          expect(fold(log).last).toBe(INVOICES.length);
        },
      ),
      { numRuns: 400 },
    );
  });
});

/** What a handler does, one read or write between two yields. */
function* finalizing(
  id: string,
  log: InvoiceNumberEvent[],
  numbers: Map<string, number>,
): Generator<void, void> {
  for (;;) {
    const revision = log.length;
    const series = fold(log);
    yield;
    if (numbers.has(id)) return;
    yield;
    const finished = new Set(series.pending.filter((one) => numbers.has(one)));
    yield;
    const step = nextNumberStep(series, id, (one) => finished.has(one));
    if (step.do === 'use') return finish(id, step.number, numbers);
    if (step.do === 'finish')
      for (const one of step.ids) {
        finish(one, numberOf(series, one)!, numbers);
        yield;
      }
    else {
      const events = numberSeries.decide({ type: 'TakeNumbers', ids: [id], after: step.after }, series);
      if (log.length === revision) log.push(...events);
      yield;
    }
  }
}

/** As the invoice decides: the first number stands, another one is an error. */
function finish(id: string, number: number, numbers: Map<string, number>): void {
  const has = numbers.get(id);
  if (has !== undefined && has !== number) throw new Error(`${id} has ${has} and gets ${number}`);
  numbers.set(id, number);
}
