import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { DAY, formatAmount, readAmount } from '#libs/kernel';
import { amount, fixed, JANUARY, usage } from '../../test/support/billing-world.js';
import { codeOf } from '../../test/support/decider-spec.js';
import {
  beginning,
  credit,
  fail,
  issueNote,
  mark,
  note,
  NOW,
  pay,
  run,
} from '../../test/support/invoice-world.js';
import {
  dueOf,
  invoice,
  owedOf,
  type InvoiceCommand,
  type InvoiceState,
  type OpenCreditNote,
} from './index.js';

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

const steps = fc.array(
  fc.oneof(
    fc.tuple(fc.nat(5), fc.integer({ min: 1, max: 900 })).map(([id, cents]) => pay(`p${id}`, cents)),
    fc
      .tuple(fc.nat(3), fc.constantFrom('1', '2', '3'), fc.integer({ min: 1, max: 900 }))
      .map(([id, lineId, cents]) => note(`n${id}`, [{ lineId, amount: amount(cents) }])),
    fc.nat(3).map((id) => note(`n${id}`)),
    fc.nat(3).map((id) => issueNote(`n${id}`, `ACME-CN-00${id}`)),
    fc.constantFrom(fail(), mark('MarkUncollectible'), mark('VoidInvoice')),
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
    'PaymentFailed',
    'PaymentRecorded',
  ]);
});
