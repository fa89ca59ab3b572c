import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { DAY, formatAmount, readAmount } from '#libs/kernel';
import { codeOf, specOf } from '../../test/support/decider-spec.js';
import { amount, at, draw, fixed, JANUARY, usage, usageComponent } from '../../test/support/billing-world.js';
import {
  chargeLines,
  drawCredits,
  dueOf,
  evolveInvoice,
  initialInvoice,
  invoice,
  owedOf,
  payables,
  taxOf,
  type Charge,
  type FinalizeInvoice,
  type InvoiceCommand,
  type InvoiceEvent,
  type InvoiceState,
  type InvoiceStatus,
  type MonetaryCredit,
  type OpenCreditNote,
} from './index.js';

const NOW = at('2026-02-01');
const { given } = specOf(invoice);

const VAT = taxOf({ taxId: 'DE1', standard: { rate: amount('0.19') } });

/** Seal and finalize, as a handler would: line by line from what the account has. */
function beginning(
  charges: readonly Charge[],
  credits: readonly MonetaryCredit[] = [],
): readonly [InvoiceCommand, FinalizeInvoice] {
  const lines = chargeLines(charges);
  const draws = drawCredits(payables(lines), credits).map((one) => ({
    ...one,
    consumptionId: `inv_1~${one.lineId}`,
  }));
  return [
    {
      type: 'SealInvoice',
      invoiceId: 'inv_1',
      customerId: 'cus_1',
      billTo: { name: 'Acme', taxId: 'DE1' },
      charges: { currency: 'EUR', lines, taxation: VAT },
      numberPrefix: 'ACME',
      dueDays: 14,
      now: NOW,
    },
    { type: 'FinalizeInvoice', number: 'ACME-001', draws, creditGrantId: 'grant_over', now: NOW },
  ];
}

function run(commands: readonly InvoiceCommand[], from = initialInvoice) {
  const events: InvoiceEvent[] = [];
  let state = from;
  for (const command of commands)
    for (const event of invoice.decide(command, state)) {
      events.push(event);
      state = invoice.evolve(state, event);
    }
  return { events, state };
}

const credit = (grantId: string, available: string | number): MonetaryCredit => ({
  grantId,
  description: `Credit ${grantId}`,
  available: amount(available),
});

// 1000 + 19 %
const PLAIN = beginning([fixed(1000)]);
const ISSUED = run(PLAIN).events;
const pay = (paymentId: string, cents: number): InvoiceCommand => ({
  type: 'RecordPayment',
  paymentId,
  amount: amount(cents),
  provider: 'stripe',
  reference: 'pi_1',
  creditGrantId: `grant_${paymentId}`,
  paidAt: NOW,
});
const mark = (type: 'MarkUnpaid' | 'MarkUncollectible' | 'VoidInvoice'): InvoiceCommand => ({
  type,
  reason: 'because',
  now: NOW,
});
const note = (creditNoteId: string, lines?: OpenCreditNote['lines']): InvoiceCommand => ({
  type: 'OpenCreditNote',
  creditNoteId,
  reason: 'wrong',
  lines,
  now: NOW,
});
const issueNote = (creditNoteId: string, number = 'ACME-CN-001'): InvoiceCommand => ({
  type: 'IssueCreditNote',
  creditNoteId,
  number,
  creditGrantId: `grant_${creditNoteId}`,
  now: NOW,
});

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
    unpaid: [...PLAIN, mark('MarkUnpaid')],
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
    'mark unpaid': mark('MarkUnpaid'),
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
    //              seal     finalize  part             all     mark    unpaid    uncollectible    void    note            issue    driven
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
    unpaid: ['-', '-', 'unpaid', 'paid', 'paid', '-', 'uncollectible', 'void', 'unpaid', MISSING, '-'],
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

describe('a credit note', () => {
  // line 1: 1000, of which credits paid 250.5 (shown as 251); line 2: 300, all paid by credits
  const sealed = beginning([fixed(1000), usage(300)], [credit('a', '550.5')]);
  const issued = run(sealed).state;

  test('takes back what was left to pay first, then what credits paid', () => {
    const lines = [
      { lineId: '1', amount: amount(800) },
      { lineId: '2', amount: amount(100) },
    ];
    const { events, state } = run([note('n1', lines), issueNote('n1')], issued);
    expect(events.map(({ type }) => type)).toEqual(['CreditNoteOpened', 'CreditNoteIssued', 'InvoicePaid']);
    expect(events[1]!.data).toMatchObject({
      number: 'ACME-CN-001',
      lines: [
        { lineId: '1', amount: '800', returned: '51' },
        { lineId: '2', amount: '100', returned: '100' },
      ],
      net: '749',
      tax: '142',
      total: '891',
      dueAfter: '0',
      returns: [
        { reversalId: 'n1~1', consumptionId: 'inv_1~1', amount: '51' },
        { reversalId: 'n1~2', consumptionId: 'inv_1~2', amount: '100' },
      ],
    });
    expect(events[1]!.data).not.toHaveProperty('openedAt');
    // the rest: the last minor units take the parts of one with them
    const rest = run([note('n2'), issueNote('n2', 'ACME-CN-002')], state).events;
    expect(rest[1]!.data).toMatchObject({
      net: '0',
      total: '0',
      returns: [
        { consumptionId: 'inv_1~1', amount: '199.5' },
        { consumptionId: 'inv_1~2', amount: '200' },
      ],
    });
  });

  test('of all of a line gives the parts of a minor unit back that the line did not show', () => {
    const { state } = run(beginning([fixed(200)], [credit('a', '100.4')]));
    const { events } = run([note('n1')], state);
    expect(events[0]!.data).toMatchObject({ net: '100', returns: [{ amount: '100.4' }] });
  });

  test('of what was paid becomes credit; the same number twice is one note', () => {
    const { state } = run([pay('p1', 891)], issued);
    const { events, state: after } = run(
      [note('n1', [{ lineId: '1', amount: amount(100) }]), issueNote('n1')],
      state,
    );
    expect(events.at(-1)).toMatchObject({
      type: 'CreditNoteIssued',
      data: { total: '119', overpaid: { amount: '119' } },
    });
    expect(run([note('n1'), issueNote('n1')], after).events).toEqual([]);
    expect(() => invoice.decide(issueNote('n1', 'ACME-CN-007'), after)).toThrow('cannot become');
  });

  test('holds what it takes back before it has its number', () => {
    const { state } = run([note('n1', [{ lineId: '1', amount: amount(700) }])], issued);
    expect(dueOf(state)).toBe(dueOf(issued));
    const more = (cents: number) =>
      codeOf(() => invoice.decide(note('n2', [{ lineId: '1', amount: amount(cents) }]), state));
    expect([more(300), more(301)]).toEqual(['none', 'credit_note_exceeded']);
  });

  test('of nothing is refused, and so is one that names no charge', () => {
    const { state } = run([note('n1')], issued);
    const of = (lines?: OpenCreditNote['lines'], from: InvoiceState = issued) =>
      codeOf(() => invoice.decide(note('n2', lines), from));
    expect(of(undefined, state)).toBe('credit_note_exceeded');
    expect(of([], issued)).toBe('credit_note_exceeded');
    const one = { lineId: '1', amount: amount(1) };
    for (const lines of [
      [{ ...one, lineId: '9' }],
      [{ ...one, lineId: '3' }], // a credit line
      [one, one],
      [{ ...one, amount: 0n }],
      [{ ...one, amount: amount(-1) }],
      [{ ...one, amount: amount('0.5') }],
    ])
      expect(of(lines)).toBe('validation_failed');
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

const steps = fc.array(
  fc.oneof(
    fc.tuple(fc.nat(5), fc.integer({ min: 1, max: 900 })).map(([id, cents]) => pay(`p${id}`, cents)),
    fc
      .tuple(fc.nat(3), fc.constantFrom('1', '2', '3'), fc.integer({ min: 1, max: 900 }))
      .map(([id, lineId, cents]) => note(`n${id}`, [{ lineId, amount: amount(cents) }])),
    fc.nat(3).map((id) => note(`n${id}`)),
    fc.nat(3).map((id) => issueNote(`n${id}`, `ACME-CN-00${id}`)),
    fc.constantFrom(mark('MarkUnpaid'), mark('MarkUncollectible'), mark('VoidInvoice')),
    fc.constant<InvoiceCommand>({ type: 'MarkPaid', paymentId: 'px', creditGrantId: 'grant_px', now: NOW }),
  ),
  { maxLength: 12 },
);
const thirds = fc.nat(3000).map((thousandths) => formatAmount(BigInt(thousandths) * 10n ** 9n));

test('paid + due = owed + overpaid; notes never exceed the invoice, nor returns what was drawn', () => {
  const seen = new Set<string>();
  const unused = fc
    .nat(30)
    .map((day) => ({ part: 'unused' as const, at: JANUARY.start + day * DAY, zone: 'UTC' }));
  fc.assert(
    fc.property(
      fc.nat(600),
      fc.nat(600),
      fc.option(unused),
      thirds,
      thirds,
      steps,
      (a, b, change, x, y, all) => {
        const charges = [fixed(a), usage(b), ...(change ? [fixed(200, { change })] : [])];
        const credits = [
          credit('x', Number(x) * 100 > 0 ? formatAmount(amount(x) * 100n) : 1),
          credit('y', formatAmount(amount(y) + 1n)),
        ];
        let { state } = run(beginning(charges, credits));
        const { total, lines } = state.final!;
        for (const command of all) {
          if (codeOf(() => invoice.decide(command, state)) !== 'none') continue;
          const { events, state: after } = run([command], state);
          for (const { type } of events) seen.add(type);
          state = after;
          expect(state.paid + dueOf(state)).toBe(owedOf(state) + state.overpaid);
          for (const event of events)
            if ('dueAfter' in event.data) expect(event.data.dueAfter).toBe(formatAmount(dueOf(state)));
          if (state.status === 'paid') expect(dueOf(state)).toBe(0n);
          else if (state.status !== 'void') expect(dueOf(state) > 0n).toBe(true);
          const most = readAmount(total) > 0n ? readAmount(total) : 0n;
          const notes = [...state.creditNotes.values()].map(({ content }) => content);
          expect(notes.reduce((sum, one) => sum + readAmount(one.total), 0n) <= most).toBe(true);
          const back = new Map<string, bigint>();
          for (const { consumptionId, amount: part } of [
            ...notes.flatMap(({ returns }) => returns),
            ...events.flatMap((event) => (event.type === 'InvoiceVoided' ? event.data.returns : [])),
          ])
            back.set(consumptionId, (back.get(consumptionId) ?? 0n) + readAmount(part));
          for (const [consumptionId, sum] of back) {
            const drawn = lines.flatMap((line) =>
              line.type === 'monetary_credit' && line.consumptionId === consumptionId
                ? [readAmount(line.drawn)]
                : [],
            );
            expect(sum <= drawn.reduce((so, one) => so + one, 0n)).toBe(true);
          }
        }
        // what is left, taken back by one more note, leaves nothing
        if (state.status === 'void' || codeOf(() => invoice.decide(note('last'), state)) !== 'none') return;
        const { state: after } = run([note('last')], state);
        const notes = [...after.creditNotes.values()].map(({ content }) => content);
        const most = readAmount(total) > 0n ? readAmount(total) : 0n;
        expect(notes.reduce((sum, one) => sum + readAmount(one.total), 0n)).toBe(most);
      },
    ),
    { numRuns: 400 },
  );
  expect([...seen].sort()).toEqual([
    'CreditNoteIssued',
    'CreditNoteOpened',
    'InvoicePaid',
    'InvoiceUncollectible',
    'InvoiceUnpaid',
    'InvoiceVoided',
    'PaymentRecorded',
  ]);
});
