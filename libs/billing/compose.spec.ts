import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { formatAmount, readAmount } from '#libs/kernel';
import {
  amount,
  at,
  BUSINESS,
  compose,
  draw,
  fixed,
  JANUARY,
  source,
  usage,
  usageComponent,
} from '../../test/support/billing-world.js';
import {
  chargeLines,
  completeInvoice,
  drawCredits,
  ONE,
  payables,
  roundToMinor,
  sumOf,
  taxOf,
  type Charge,
  type MonetaryCredit,
  type TaxTerms,
} from './index.js';

const credit = (grantId: string, available: string | number, admits?: string[]): MonetaryCredit => ({
  grantId,
  description: `Credit ${grantId}`,
  available: amount(available),
  admits,
});
const amountsOf = (invoice: ReturnType<typeof compose>): string[] =>
  invoice.lines.map((line) => `${line.type} ${line.amount}`);
const tierless = usageComponent({ unit_cost_cents: '0.333' });
const tiered = usageComponent({
  tiers: {
    mode: 'graduated',
    tiers: [
      { upTo: '100', unit_cost_cents: '3', flat_cents: '10' },
      { upTo: null, unit_cost_cents: '1', flat_cents: '50' },
    ],
  },
});
const byVolume = usageComponent({ tiers: { mode: 'volume', tiers: tiered.tiers!.tiers } });

describe('usage credits', () => {
  test('V25: usage 12,000, credit 10,000, one cent each: 12,000, -10,000, subtotal 2,000', () => {
    const invoice = compose({ charges: [usage(12000, usageComponent(), [draw('g1', 10000)])] });
    expect(invoice).toMatchObject({
      subtotal: '2000',
      credits: '0',
      tax: '0',
      total: '2000',
      lines: [
        {
          lineId: '1',
          type: 'usage',
          amount: '12000',
          quantity: '12000',
          unitAmount: '1',
          metricId: 'mtr_calls',
        },
        {
          lineId: '2',
          type: 'usage_credit',
          amount: '-10000',
          quantity: '10000',
          appliesTo: '1',
          grantId: 'g1',
        },
      ],
    });
    expect(invoice.lines[0]).toMatchObject({
      componentId: 'calls',
      period: { start: '2026-01-01T00:00:00.000Z', end: '2026-02-01T00:00:00.000Z' },
      sources: [source(12000)],
    });
    expect(invoice.lines[1]).toMatchObject({ allocations: [source(10000)] });
  });

  test('V5: 80 units at 1.00, 50 covered: 80.00, -50.00, total 30.00', () => {
    const charges = [usage(80, usageComponent({ unit_cost_cents: '100' }), [draw('prepaid', 50)])];
    const invoice = compose({ charges });
    expect(amountsOf(invoice)).toEqual(['usage 8000', 'usage_credit -5000']);
    expect(invoice.total).toBe('3000');
    // the same credit as money
    const paid = compose({
      charges: [usage(80, usageComponent({ unit_cost_cents: '100' }))],
      credits: [credit('prepaid', 5000)],
    });
    expect(amountsOf(paid)).toEqual(['usage 8000', 'monetary_credit -5000']);
    expect(paid.total).toBe('3000');
  });

  test.each([
    // 100 x 3 + 10, 50 + 20 x 1: what is covered are the last units, the fee of their tier once all of them are
    ['graduated', tiered, 120, [20], ['380', '-70']],
    ['graduated', tiered, 120, [19], ['380', '-19']],
    ['graduated', tiered, 120, [30], ['380', '-100']],
    ['graduated', tiered, 120, [10, 15, 95], ['380', '-10', '-75', '-295']],
    // the tier of all usage, its fee until all is covered
    ['volume', byVolume, 120, [30], ['170', '-30']],
    ['volume', byVolume, 120, [119], ['170', '-119']],
    ['volume', byVolume, 120, [119, 1], ['170', '-119', '-51']],
    ['one price', tierless, 10, [1, 1, 1], ['3', '0', '0', '-1']],
  ])('with %s: lines and credits add up to what nothing covered', (_, component, used, drawn, lines) => {
    const draws = drawn.map((quantity, index) => draw(`g${index}`, quantity));
    expect(chargeLines([usage(used, component, draws)]).map((line) => line.amount)).toEqual(lines);
  });

  test('that the invoice does not show are taken off the quantity', () => {
    const [line, ...more] = chargeLines([usage(120, tiered, [draw('g1', 20, { billingVisible: false })])]);
    expect(line).toMatchObject({ quantity: '100', coveredQuantity: '20', amount: '310' });
    expect(more).toEqual([]);
  });

  test('say what was free, and how tiers made the price', () => {
    const [line] = chargeLines([usage(120, usageComponent({ free_units: '15', tiers: tiered.tiers! }))]);
    expect(line).toMatchObject({
      freeQuantity: '15',
      tiers: [
        { quantity: '100', unitAmount: '3', flatAmount: '10' },
        { quantity: '5', unitAmount: '1', flatAmount: '50' },
      ],
    });
    expect(line).not.toHaveProperty('unitAmount');
  });

  test('are never more than what was used', () => {
    expect(() => chargeLines([usage(10, tierless, [draw('g1', 6), draw('g2', '4.1')])])).toThrow(
      'more was drawn',
    );
  });

  test('cover exactly what they draw: charge + credits = the price of the rest alone', () => {
    const parts = fc.array(fc.bigInt(0n, 90n), { maxLength: 4 });
    const components = fc.constantFrom(tierless, tiered, byVolume, usageComponent({ free_units: '40' }));
    fc.assert(
      fc.property(components, parts, fc.bigInt(0n, 90n), fc.nat(4), (component, drawn, rest, hiddenAt) => {
        const quantities = drawn.map((units) => (units * ONE) / 3n);
        const used = quantities.reduce((sum, units) => sum + units, rest * ONE);
        const draws = quantities.map((units, index) =>
          draw(`g${index}`, formatAmount(units), { billingVisible: index !== hiddenAt }),
        );
        const lines = chargeLines([usage(formatAmount(used), component, draws)]);
        // what nothing covers, at the volume of all of it
        const alone = chargeLines([
          usage(formatAmount(used), component, [
            draw('all', formatAmount(used - rest * ONE), { billingVisible: false }),
          ]),
        ]);
        expect(sumOf(lines)).toBe(sumOf(alone));
        for (const line of lines.slice(1)) expect(readAmount(line.amount) <= 0n).toBe(true);
        const shown = draws.filter(({ billingVisible }) => billingVisible);
        expect(lines.slice(1).map((line) => readAmount((line as { quantity: string }).quantity))).toEqual(
          shown.map(({ quantity }) => quantity),
        );
      }),
    );
  });
});

describe('monetary credits', () => {
  const named = (id: string, cents: number, label: string, start = JANUARY.start): Charge => {
    const charge = fixed(cents, { period: { start, end: JANUARY.end } });
    return { ...charge, component: { ...charge.component, id, label } };
  };

  test('compete in order: usage, earlier start, higher price, name', () => {
    const lines = chargeLines([
      named('b', 500, 'B'),
      named('a', 500, 'A'),
      named('dear', 600, 'Z'),
      named('early', 100, 'Z', at('2025-12-31')),
      usage(10, usageComponent({ id: 'u1', unit_cost_cents: '1' })),
      usage(10, { ...tiered, id: 'u2' }), // 40 for 10: 4 each
      usage(10, usageComponent({ id: 'u3', unit_cost_cents: '3.9' })),
      named('a2', 500, 'A'),
    ]);
    expect(payables(lines).map(({ line }) => line.componentId)).toEqual([
      'u2',
      'u3',
      'u1',
      'early',
      'dear',
      'a',
      'a2',
      'b',
    ]);
  });

  test('go down the waterfall, a grant only to lines that it admits, and say what they paid', () => {
    const charges = [fixed(1000), usage(300)];
    const credits = [credit('component', 100, ['2']), credit('plan', 350), credit('merchant', 5000, ['1'])];
    const invoice = compose({ charges, credits });
    expect(
      invoice.lines.flatMap((line) =>
        line.type === 'monetary_credit' ? [[line.appliesTo, line.grantId, line.amount, line.lineId]] : [],
      ),
    ).toEqual([
      ['2', 'component', '-100', '3'],
      ['2', 'plan', '-200', '4'],
      ['1', 'plan', '-150', '5'],
      ['1', 'merchant', '-850', '6'],
    ]);
    expect(invoice).toMatchObject({ subtotal: '1300', credits: '-1300', total: '0' });
  });

  test('pay what usage credits left', () => {
    const charges = [usage(12000, usageComponent(), [draw('g1', 10000)])];
    expect(compose({ charges, credits: [credit('m', 5000)] })).toMatchObject({
      subtotal: '2000',
      credits: '-2000',
      total: '0',
    });
  });

  test('pay no more than the subtotal where something is given back, from the last lines on', () => {
    const unused = { part: 'unused' as const, at: JANUARY.start, zone: 'UTC' };
    const lines = chargeLines([usage(300), fixed(1000), fixed(1100, { change: unused })]);
    expect(payables(lines).map(({ line, amount: most }) => [line.lineId, formatAmount(most)])).toEqual([
      ['1', '200'],
    ]);
    expect(
      compose({ charges: [fixed(100), fixed(101, { change: unused })], credits: [credit('m', 50)] }),
    ).toMatchObject({ subtotal: '-1', credits: '0', tax: '0', total: '-1' });
  });

  test('are whole minor units, however grants are broken', () => {
    const invoice = compose({ charges: [fixed(20)], credits: [credit('a', '10.5'), credit('b', '7.4')] });
    expect(amountsOf(invoice)).toEqual(['fixed 20', 'monetary_credit -11', 'monetary_credit -7']);
    expect(invoice.lines.slice(1).map((line) => (line as { drawn: string }).drawn)).toEqual(['10.5', '7.4']);
  });

  test('that were drawn beyond a line are an error', () => {
    const lines = chargeLines([fixed(20)]);
    const drawn = { lineId: '1', grantId: 'g', description: 'Credit', amount: amount('20.5') };
    const charges = { currency: 'USD', lines, taxation: taxOf(BUSINESS) };
    expect(() => completeInvoice(charges, [drawn])).toThrow('paid more');
    expect(() => completeInvoice(charges, [{ ...drawn, lineId: '7', amount: 1n }])).toThrow('paid more');
  });
});

describe('tax', () => {
  const standard = { rate: amount('0.19'), description: 'VAT 19 %' };
  test.each<[string, TaxTerms, string, object]>([
    ['the merchant’s rate', { ...BUSINESS, standard }, '190', { method: 'default', description: 'VAT 19 %' }],
    [
      'the customer’s own',
      { taxId: 'DE1', standard, manual: { rate: amount('0.075') } },
      '75',
      { method: 'manual' },
    ],
    ['no rate', BUSINESS, '0', { method: 'none', reason: 'no_tax_rate' }],
    [
      'neither id nor name',
      { standard },
      '0',
      { method: 'none', reason: 'b2c_tax_not_supported', rate: '0' },
    ],
    ['neither, but a rate', { manual: standard }, '0', { reason: 'b2c_tax_not_supported' }],
    ['empty ones', { taxId: '', businessName: '', standard }, '0', { reason: 'b2c_tax_not_supported' }],
    [
      'an exemption',
      { ...BUSINESS, standard, exempt: { reason: 'reverse charge' } },
      '0',
      { method: 'exempt', reason: 'reverse charge' },
    ],
    ['an exemption of a private customer', { standard, exempt: {} }, '0', { method: 'exempt', rate: '0' }],
  ])('by %s', (_, tax, cents, taxation) => {
    const invoice = compose({ charges: [fixed(1000)], tax });
    expect(invoice.tax).toBe(cents);
    expect(invoice.taxation).toMatchObject(taxation);
    expect(invoice.lines.map(({ type }) => type)).toEqual(cents === '0' ? ['fixed'] : ['fixed', 'tax']);
  });

  test('is taken of what remains after credits, rounded once, on a line of its own', () => {
    const invoice = compose({
      charges: [fixed(1000), usage(103)],
      credits: [credit('m', 1000)],
      tax: { taxId: 'DE1', standard: { rate: amount('0.19') } },
    });
    expect(invoice.lines.at(-1)).toEqual({
      type: 'tax',
      lineId: '5',
      description: 'Tax 19 %',
      rate: '0.19',
      taxable: '103',
      amount: '20', // 19.57
      rounding: 'half_away_from_zero',
    });
    expect(invoice).toMatchObject({ subtotal: '1103', credits: '-1000', tax: '20', total: '123' });
  });
});

describe('an invoice', () => {
  test('of a free plan comes to 0', () => {
    expect(
      compose({ charges: [fixed(0), usage(500, usageComponent({ unit_cost_cents: '0' }))] }),
    ).toMatchObject({
      subtotal: '0',
      total: '0',
      lines: [{ amount: '0' }, { amount: '0', quantity: '500' }],
    });
  });

  const change = fc.option(
    fc.record({
      part: fc.constantFrom('unused' as const, 'rest' as const),
      at: fc.integer({ min: 0, max: 30 }).map((day) => JANUARY.start + day * 86_400_000),
      zone: fc.constant('UTC'),
    }),
    { nil: undefined },
  );
  const cents = fc.bigInt(0n, 5_000_000n).map((thousandths) => formatAmount((thousandths * ONE) / 1000n));
  const charges: fc.Arbitrary<Charge> = fc.oneof(
    fc.tuple(cents, change).map(([price, changed]) => fixed(price, { change: changed })),
    fc
      .tuple(fc.constantFrom(tierless, tiered, byVolume), fc.nat(200), fc.nat(200), fc.boolean())
      .map(([component, covered, rest, billingVisible]) =>
        usage(covered + rest, component, [draw('u', covered, { billingVisible })]),
      ),
  );
  const credits = fc
    .array(
      fc.tuple(cents, fc.option(fc.array(fc.constantFrom('1', '2', '3', '4', '5')), { nil: undefined })),
      {
        maxLength: 4,
      },
    )
    .map((all) => all.map(([available, admits], index) => credit(`m${index}`, available, admits)));
  const rates = fc.bigInt(0n, 10_000n).map((rate) => (rate * ONE) / 10_000n);

  test('is the sum of its lines, whole minor units; credits never bring it below zero nor exceed a grant', () => {
    fc.assert(
      fc.property(fc.array(charges, { maxLength: 5 }), credits, rates, (all, available, rate) => {
        const tax = { ...BUSINESS, manual: { rate } };
        const invoice = compose({ charges: all, credits: available, tax });
        const [subtotal, paid, taxed, total] = [
          invoice.subtotal,
          invoice.credits,
          invoice.tax,
          invoice.total,
        ].map(readAmount);
        expect(total).toBe(sumOf(invoice.lines));
        expect(total).toBe(subtotal! + paid! + taxed!);
        for (const line of invoice.lines) expect(readAmount(line.amount) % ONE).toBe(0n);
        const remains = subtotal! + paid!;
        expect(paid! <= 0n && (paid! === 0n || remains >= 0n)).toBe(true);
        expect(taxed).toBe(remains > 0n ? roundToMinor(remains * rate) : 0n);
        const drawn = drawCredits(payables(chargeLines(all)), available);
        for (const { grantId, available: has } of available)
          expect(
            drawn.filter((one) => one.grantId === grantId).reduce((sum, one) => sum + one.amount, 0n) <= has,
          ).toBe(true);
        // no line is paid below zero
        for (const { line, amount: most } of payables(chargeLines(all)))
          expect(
            invoice.lines
              .filter((one) => one.type === 'monetary_credit' && one.appliesTo === line.lineId)
              .reduce((sum, one) => sum - readAmount(one.amount), 0n) <= most,
          ).toBe(true);
        expect(new Set(invoice.lines.map(({ lineId }) => lineId)).size).toBe(invoice.lines.length);
      }),
      { numRuns: 500 },
    );
  });

  test('is paid the same grant by grant as line by line', () => {
    fc.assert(
      fc.property(fc.array(charges, { maxLength: 5 }), credits, (all, available) => {
        const lines = payables(chargeLines(all));
        const open = new Map(lines.map(({ line, amount: most }) => [line.lineId, most]));
        const byGrant = available.flatMap(({ grantId, available: has, admits }) => {
          let left = has;
          return lines.flatMap(({ line: { lineId } }) => {
            const most = open.get(lineId)!;
            const drawn = admits && !admits.includes(lineId) ? 0n : left < most ? left : most;
            left -= drawn;
            open.set(lineId, most - drawn);
            return drawn === 0n ? [] : [`${lineId} ${grantId} ${drawn}`];
          });
        });
        const byLine = drawCredits(lines, available).map(
          (one) => `${one.lineId} ${one.grantId} ${one.amount}`,
        );
        expect(byLine.sort()).toEqual(byGrant.sort());
      }),
    );
  });
});
