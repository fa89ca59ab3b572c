import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { fixed } from '../../test/support/billing-world.js';
import { specOf } from '../../test/support/decider-spec.js';
import { beginning, fail as failure, mark, NOW, pay, run } from '../../test/support/invoice-world.js';
import { DAY, formatInstant, HOUR, readInstant, type Instant } from '#libs/kernel';
import type { DunningPolicy } from '#libs/catalog';
import {
  dueFacts,
  evolveInvoice,
  invoice,
  nextStep,
  settledInvoice,
  type InvoiceCommand,
  type InvoiceEvent,
  type InvoiceState,
  type RequestedMethod,
} from './index.js';

const { given } = specOf(invoice);
const POLICY: DunningPolicy = { graceDays: 7, retryDays: [1, 3], endAction: 'pause_subscription' };
const [VISA, SEPA]: readonly RequestedMethod[] = [
  { methodId: 'pm_1', provider: 'stripe', reference: 'visa' },
  { methodId: 'pm_2', provider: 'dodo', reference: 'sepa' },
];
const METHODS = [VISA!, SEPA!];

const issuedUnder = (dunning: DunningPolicy) =>
  run(beginning([fixed(1000)], [], { dunning, subscriptionId: 'sub_1' }));
const ISSUED = issuedUnder(POLICY).events;
const day = (count: number): Instant => NOW + count * DAY;
const at = (time: Instant): { readonly at: string } => ({ at: formatInstant(time) });
const settle = (upTo: Instant, methods = METHODS): InvoiceCommand => ({ type: 'SettleDue', methods, upTo });
const fail = (now: Instant, members: object = {}): InvoiceCommand =>
  failure(now, { methods: METHODS, ...members });
const after = (...commands: readonly InvoiceCommand[]) => [
  ...ISSUED,
  ...run(commands, issuedUnder(POLICY).state).events,
];
const asked = (attempt: number, cause: string, method: RequestedMethod | undefined, time: Instant) => ({
  type: 'PaymentRequested' as const,
  data: { attempt, cause, ...(method ? { method } : {}), amount: '1190', ...at(time) },
});

describe('an invoice under a policy', () => {
  test('is asked for when it is issued, with the first method, or with none', () => {
    given(ISSUED)
      .when(settle(NOW))
      .thenLike([asked(1, 'issued', VISA, NOW)]);
    given(ISSUED)
      .when(settle(NOW, []))
      .then([asked(1, 'issued', undefined, NOW) as InvoiceEvent]);
  });

  test('that is paid by nobody goes its way, each step at its instant, to the millisecond', () => {
    const steps = [
      asked(1, 'issued', VISA, NOW),
      { type: 'InvoiceUnpaid' as const, data: { reason: 'past_due', ...at(day(14)) } },
      asked(2, 'retry', VISA, day(15)),
      asked(3, 'retry', VISA, day(17)),
      {
        type: 'InvoiceUncollectible' as const,
        data: { reason: 'dunning_ended', subscription: 'pause', ...at(day(21)) },
      },
    ];
    given(ISSUED)
      .when(settle(day(400)))
      .thenLike(steps);
    const times = [NOW, day(14), day(15), day(17), day(21)];
    times.forEach((time, index) => {
      const state = settledInvoice(issuedUnder(POLICY).state, time - 1, METHODS);
      expect(dueFacts(state, time, METHODS)).toMatchObject([steps[index]!]);
      expect(state.attempts).toHaveLength([0, 1, 1, 2, 3][index]!);
    });
    given(after(settle(day(400))))
      .when(settle(day(800)))
      .thenNothing();
  });

  test('is given up only when the last retry had a day', () => {
    for (const [graceDays, retryDays, end] of [
      [0, [], 0],
      [5, [], 5],
      [7, [1, 3, 7], 8],
      [0, [30], 31],
    ] as const) {
      const { state } = issuedUnder({ graceDays, retryDays, endAction: 'uncollectible' });
      const facts = dueFacts(state, day(400), []);
      expect(facts.at(-1)).toEqual({
        type: 'InvoiceUncollectible',
        data: { reason: 'dunning_ended', ...at(day(14 + end)) },
      });
    }
  });

  test('without a policy, time changes nothing', () => {
    const plain = run(beginning([fixed(1000)]));
    expect(nextStep(plain.state)).toBeNull();
    given(plain.events)
      .when(settle(day(400)))
      .thenNothing();
  });

  test('that is paid, void or given up by hand is asked for no more', () => {
    for (const command of [pay('p1', 1190), mark('VoidInvoice'), mark('MarkUncollectible')]) {
      const history = after(settle(day(15)), command);
      given(history)
        .when(settle(day(400)))
        .thenNothing();
      const { attempts } = history.reduce(evolveInvoice, invoice.initialState);
      expect(attempts.map(({ status }) => status)).toEqual([
        'withdrawn',
        command.type === 'RecordPayment' ? 'paid' : 'withdrawn',
      ]);
    }
  });

  test('asks for what is due then', () => {
    const history = after(settle(NOW), pay('p1', 190));
    given(history)
      .when(settle(day(15)))
      .thenLike([{ type: 'InvoiceUnpaid' }, { type: 'PaymentRequested', data: { amount: '1000' } }]);
  });
});

describe('a payment that failed', () => {
  const first = after(settle(NOW));

  test('makes the invoice unpaid and asks for the next method; the last one leaves it to the retries', () => {
    given(first)
      .when(fail(day(2)))
      .thenLike([
        { type: 'PaymentFailed', data: { attempt: 1, reason: 'card_declined', ...at(day(2)) } },
        { type: 'InvoiceUnpaid', data: { reason: 'card_declined', ...at(day(2)) } },
        asked(2, 'failed', SEPA, day(2)),
      ]);
    const second = after(settle(NOW), fail(day(2)));
    given(second)
      .when(fail(day(2) + HOUR))
      .thenLike([{ type: 'PaymentFailed', data: { attempt: 2 } }]);
    // a retry begins with the first method again, in the order of then
    given(after(settle(NOW), fail(day(2)), fail(day(2) + HOUR)))
      .when(settle(day(3), [SEPA!, VISA!]))
      .thenLike([asked(3, 'retry', SEPA, day(3))]);
    given(after(settle(NOW), fail(day(2)), fail(day(2) + HOUR), settle(day(3))))
      .when(fail(day(3) + HOUR))
      .thenLike([{ type: 'PaymentFailed', data: { attempt: 3 } }, asked(4, 'failed', SEPA, day(3) + HOUR)]);
  });

  test('of a method that nobody asked for is not asked for next', () => {
    given(run(beginning([fixed(1000)])).events)
      .when(fail(NOW, { methodReference: 'visa' }))
      .thenLike([{ type: 'PaymentFailed' }, { type: 'InvoiceUnpaid' }, asked(1, 'failed', SEPA, NOW)]);
  });

  test('of what is paid, void or given up is refused', () => {
    for (const command of [pay('p1', 1190), mark('VoidInvoice'), mark('MarkUncollectible')])
      given([...first, ...run([command], first.reduce(evolveInvoice, invoice.initialState)).events])
        .when(fail(day(2)))
        .thenThrows('invoice_not_open');
  });
});

describe('whatever happens', () => {
  const policies = fc.record({
    graceDays: fc.nat(10),
    retryDays: fc.uniqueArray(fc.integer({ min: 1, max: 9 }), { maxLength: 4 }).map((days) => days.sort()),
    endAction: fc.constantFrom<DunningPolicy['endAction']>('uncollectible', 'cancel_subscription'),
  });
  interface Happening {
    readonly wait: number;
    readonly what: string;
    readonly methods: readonly RequestedMethod[];
  }
  const happenings: fc.Arbitrary<readonly Happening[]> = fc.array(
    fc.record({
      wait: fc.nat(4 * 24).map((hours) => hours * HOUR),
      what: fc.constantFrom('settle', 'fail', 'fail', 'pay a part', 'pay all', 'give up', 'void', 'look'),
      methods: fc.subarray(METHODS, { minLength: 0 }),
    }),
    { maxLength: 25 },
  );

  /** Each happening after time has done its part, as the commands do it. */
  function live(start: InvoiceState, story: readonly Happening[]) {
    const events: InvoiceEvent[] = [];
    let state = start;
    let now = NOW;
    const apply = (command: InvoiceCommand): void => {
      for (const event of invoice.decide(command, state)) {
        events.push(event);
        state = evolveInvoice(state, event);
      }
    };
    story.forEach(({ wait, what, methods }, index) => {
      now += wait;
      apply({ type: 'SettleDue', methods, upTo: now });
      const isOpen = state.status === 'issued' || state.status === 'unpaid';
      if (what === 'fail' && isOpen) apply(fail(now, { methods }));
      if (what === 'pay a part') apply({ ...pay(`p${index}`, 100), paidAt: now } as InvoiceCommand);
      if (what === 'pay all' && state.status !== 'void')
        apply({ type: 'MarkPaid', paymentId: `p${index}`, creditGrantId: `g${index}`, now });
      if (what === 'give up' && isOpen) apply({ type: 'MarkUncollectible', reason: 'x', now });
      if (what === 'void' && isOpen && state.paid === 0n) apply({ type: 'VoidInvoice', reason: 'x', now });
    });
    return { events, state };
  }

  test('retries come once, at their instants; nothing is both paid and given up without a fact between', () => {
    fc.assert(
      fc.property(policies, happenings, (policy, story) => {
        const { events, state } = live(issuedUnder(policy).state, story);
        const { unpaidAt, attempts, status } = state;
        expect(attempts.map(({ attempt }) => attempt)).toEqual(attempts.map((_, index) => index + 1));
        const retries = attempts.filter(({ cause }) => cause === 'retry');
        expect(retries.map((one) => readInstant(one.at))).toEqual(
          policy.retryDays.slice(0, retries.length).map((days) => unpaidAt! + days * DAY),
        );
        const open = attempts.filter((one) => one.status === 'requested');
        expect(open.length).toBeLessThanOrEqual(status === 'issued' || status === 'unpaid' ? 1 : 0);
        const types = events.map(({ type }) => type);
        const [paid, given] = [types.indexOf('InvoicePaid'), types.indexOf('InvoiceUncollectible')];
        if (paid >= 0) expect(given).toBeLessThan(paid);
        if (paid >= 0 && given >= 0) expect(types.slice(given, paid)).toContain('PaymentRecorded');
        expect(new Set(types.filter((type) => /Unpaid|Uncollectible|InvoicePaid/.test(type))).size).toBe(
          types.filter((type) => /Unpaid|Uncollectible|InvoicePaid/.test(type)).length,
        );
        // within a round no method is asked for twice
        let round = new Set<string>();
        for (const { cause, method } of attempts) {
          if (cause !== 'failed') round = new Set();
          if (method) expect(round).not.toContain(method.reference);
          if (method) round.add(method.reference);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('settling late is settling often', () => {
    fc.assert(
      fc.property(policies, fc.array(fc.nat(40 * 24)), (policy, looks) => {
        const { state } = issuedUnder(policy);
        const end = day(40);
        let often = state;
        const facts: InvoiceEvent[] = [];
        for (const time of [...looks.map((hours) => NOW + hours * HOUR).sort((a, b) => a - b), end]) {
          const due = dueFacts(often, time, METHODS);
          facts.push(...due);
          often = due.reduce(evolveInvoice, often);
        }
        expect(facts).toEqual(dueFacts(state, end, METHODS));
        expect(nextStep(often)).toBeNull();
      }),
    );
  });
});
