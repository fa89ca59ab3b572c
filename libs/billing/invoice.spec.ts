import { describe, expect, test } from '@jest/globals';
import { amount, draw, fixed, JANUARY, usage, usageComponent } from '../../test/support/billing-world.js';
import { codeOf, specOf } from '../../test/support/decider-spec.js';
import {
  beginning,
  credit,
  fail,
  issueNote,
  mark,
  note,
  NOW,
  pay,
  PLAIN,
  run,
} from '../../test/support/invoice-world.js';
import {
  dueOf,
  evolveInvoice,
  initialInvoice,
  invoice,
  type InvoiceCommand,
  type InvoiceEvent,
  type InvoiceState,
  type InvoiceStatus,
} from './index.js';

const { given } = specOf(invoice);
const ISSUED = run(PLAIN).events;

describe('finalizing', () => {
  test('says all that the invoice says, once and for all', () => {
    const charges = [fixed(1000), usage(120, usageComponent(), [draw('g1', 20)])];
    const [seal, finalize] = beginning(charges, [credit('m', 300)]);
    const { events, state } = run([seal, finalize]);
    expect(events.map(({ type }) => type)).toEqual(['InvoiceSealed', 'InvoiceFinalized']);
    expect(events[1]!.data).toMatchObject({
      invoiceId: 'inv_1',
      number: 'ACME-001',
      billTo: { name: 'Acme', taxId: 'DE1' },
      subtotal: '1100',
      credits: '-300',
      tax: '152',
      total: '952',
      issuedAt: '2026-02-01T00:00:00.000Z',
      dueAt: '2026-02-15T00:00:00.000Z',
      lines: [{}, {}, {}, { appliesTo: '2', consumptionId: 'inv_1~2' }, { appliesTo: '1' }, { type: 'tax' }],
    });
    expect(events[1]!.data).not.toHaveProperty('overpaid');
    expect([dueOf(state), state.toDrive]).toEqual([amount(952), []]);
    given(events).when(finalize).thenNothing();
    given(events).when(seal).thenNothing();
    expect(() => invoice.decide({ ...finalize, number: 'ACME-002' }, state)).toThrow('cannot become');
  });

  test('of nothing to pay is paid at once', () => {
    for (const [charges, credits] of [
      [[fixed(0)], []],
      [[fixed(300)], [credit('m', 300)]],
    ] as const)
      expect(run(beginning(charges, credits)).events.map(({ type }) => type)).toEqual([
        'InvoiceSealed',
        'InvoiceFinalized',
        'InvoicePaid',
      ]);
  });

  test('of more given back than charged becomes credit', () => {
    const unused = { part: 'unused' as const, at: JANUARY.start, zone: 'UTC' };
    const { events, state } = run(beginning([fixed(100), fixed(400, { change: unused })]));
    expect(events[1]!.data).toMatchObject({
      total: '-300',
      tax: '0',
      overpaid: { amount: '300', grantId: 'grant_over' },
    });
    expect(state).toMatchObject({
      status: 'paid',
      toDrive: [{ revision: 1, grant: { amount: '300', grantId: 'grant_over' } }],
    });
  });
});

describe('the graph of statuses', () => {
  const histories: Readonly<Record<InvoiceStatus, readonly InvoiceCommand[]>> = {
    none: [],
    sealed: PLAIN.slice(0, 1),
    issued: PLAIN,
    unpaid: [...PLAIN, fail()],
    paid: [...PLAIN, pay('p0', 1190)],
    uncollectible: [...PLAIN, mark('MarkUncollectible')],
    void: [...PLAIN, mark('VoidInvoice')],
  };
  const commands: Readonly<Record<string, InvoiceCommand>> = {
    seal: PLAIN[0],
    finalize: PLAIN[1],
    'pay a part': pay('p1', 190),
    'pay all': pay('p1', 1190),
    'mark paid': { type: 'MarkPaid', paymentId: 'p1', creditGrantId: 'grant_p1', now: NOW },
    fail: fail(),
    'mark uncollectible': mark('MarkUncollectible'),
    void: mark('VoidInvoice'),
    'open a note': note('n1', [{ lineId: '1', amount: amount(100) }]),
    'issue an unknown note': issueNote('n9'),
    'record what is driven': { type: 'RecordDriven', throughRevision: 99 },
  };
  const NO = 'invoice_not_open';
  const MISSING = 'not_found';
  /** Status after each command, `-` where it does nothing, or the code with which it is refused. */
  const graph: Readonly<Record<InvoiceStatus, readonly string[]>> = {
    //              seal     finalize  part             all     mark    fail      uncollectible    void    note            issue    driven
    none: [
      'sealed',
      MISSING,
      MISSING,
      MISSING,
      MISSING,
      MISSING,
      MISSING,
      MISSING,
      MISSING,
      MISSING,
      MISSING,
    ],
    sealed: ['-', 'issued', NO, NO, NO, NO, NO, NO, NO, NO, NO],
    issued: ['-', '-', 'issued', 'paid', 'paid', 'unpaid', 'uncollectible', 'void', 'issued', MISSING, '-'],
    unpaid: ['-', '-', 'unpaid', 'paid', 'paid', 'unpaid', 'uncollectible', 'void', 'unpaid', MISSING, '-'],
    paid: ['-', '-', 'paid', 'paid', '-', NO, NO, NO, 'paid', MISSING, '-'],
    uncollectible: [
      '-',
      '-',
      'uncollectible',
      'paid',
      'paid',
      NO,
      '-',
      'void',
      'uncollectible',
      MISSING,
      '-',
    ],
    void: ['-', '-', 'void', 'void', NO, NO, NO, '-', NO, NO, '-'],
  };

  test.each(Object.keys(graph) as InvoiceStatus[])('from %s', (status) => {
    const { state } = run(histories[status]);
    expect(state.status).toBe(status);
    const outcomes = Object.values(commands).map((command) => {
      const code = codeOf(() => invoice.decide(command, state));
      if (code !== 'none') return code;
      const { events, state: after } = run([command], state);
      return events.length === 0 ? '-' : after.status;
    });
    expect(outcomes).toEqual(graph[status]);
  });

  test('a finalized invoice says the same whatever comes after', () => {
    const { state } = run(PLAIN);
    for (const command of Object.values(commands)) {
      if (codeOf(() => invoice.decide(command, state)) !== 'none') continue;
      const after = run([command], state);
      expect(after.state.final).toBe(state.final);
      expect(after.events.map(({ type }) => type)).not.toContain('InvoiceFinalized');
    }
  });
});

describe('payments', () => {
  test('in part, then beyond: what is too much becomes credit, once', () => {
    const { events, state } = run([
      ...PLAIN,
      pay('p1', 1000),
      pay('p1', 1000),
      pay('p2', 300),
      pay('p3', 10),
    ]);
    expect(events.slice(2)).toMatchObject([
      { type: 'PaymentRecorded', data: { paidAfter: '1000', dueAfter: '190' } },
      {
        type: 'PaymentRecorded',
        data: { paidAfter: '1300', dueAfter: '0', overpaid: { amount: '110', grantId: 'grant_p2' } },
      },
      { type: 'InvoicePaid' },
      {
        type: 'PaymentRecorded',
        data: { paidAfter: '1310', overpaid: { amount: '10', grantId: 'grant_p3' } },
      },
    ]);
    expect(events).toHaveLength(6);
    expect(state.toDrive.map(({ revision, grant }) => [revision, grant?.amount])).toEqual([
      [3, '110'],
      [5, '10'],
    ]);
    expect(run([{ type: 'RecordDriven', throughRevision: 3 }], state).state.toDrive).toHaveLength(1);
  });

  test('of a void invoice are all too much', () => {
    const { events } = run([mark('VoidInvoice'), pay('p1', 1190)], run(PLAIN).state);
    expect(events.at(-1)).toMatchObject({ data: { dueAfter: '0', overpaid: { amount: '1190' } } });
  });

  test('are never nothing, nor parts of a minor unit', () => {
    for (const cents of ['0', '-1', '0.5'])
      expect(() =>
        invoice.decide({ ...pay('p1', 1), amount: amount(cents) } as never, run(PLAIN).state),
      ).toThrow('payment');
  });
});

describe('voiding', () => {
  test('gives the credits back that the invoice used, in one entry per consumption', () => {
    const charges = [fixed(1000), usage(300)];
    const { state } = run(beginning(charges, [credit('a', '100.5'), credit('b', '50')]));
    const { events } = run([mark('VoidInvoice')], state);
    expect(events).toMatchObject([
      {
        type: 'InvoiceVoided',
        data: { returns: [{ reversalId: 'inv_1~2~0', consumptionId: 'inv_1~2', amount: '150.5' }] },
      },
    ]);
  });

  test.each([
    ['paid in part', [pay('p1', 1)]],
    ['credited in part', [note('n1', [{ lineId: '1', amount: amount(1) }])]],
  ])('is refused where it is %s', (_, before) => {
    given(run([...PLAIN, ...before]).events)
      .when(mark('VoidInvoice'))
      .thenThrows('invoice_not_open');
  });
});

test('history that contradicts itself, or is not known, stops the replay', () => {
  const fold = (events: readonly InvoiceEvent[]): InvoiceState =>
    events.reduce(evolveInvoice, initialInvoice);
  expect(() => fold(ISSUED.slice(1))).toThrow('contradicts');
  expect(() => fold([ISSUED[0]!, ISSUED[0]!])).toThrow('contradicts');
  expect(() => fold([...ISSUED, ISSUED[1]!])).toThrow('contradicts');
  expect(() => fold([ISSUED[0]!, { type: 'InvoiceDoubled', data: {} } as never])).toThrow(
    'unknown invoice event',
  );
});
