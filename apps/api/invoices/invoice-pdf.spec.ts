import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { getDocumentProxy } from 'unpdf';
import {
  answerOf,
  taxOf,
  type BillTo,
  type Charge,
  type InvoiceAnswer,
  type SealInvoice,
} from '#libs/billing';
import { amount, at, draw, fixed, usage, usageComponent } from '../../../test/support/billing-world.js';
import { beginning, credit, run } from '../../../test/support/invoice-world.js';
import { invoicePdf } from './invoice-pdf.js';

const LONG =
  'Inference of large language models, batch and interactive, in the regions Europe-West and US-East, billed by the thousand tokens';
const TIERS = [
  { upTo: '1000', unit_cost_cents: '2', flat_cents: '500' },
  { upTo: null, unit_cost_cents: '1.5' },
];

const named = (label: string, cents: number, more: object = {}): Charge =>
  fixed(cents, { component: { ...fixed(cents).component, label }, ...more });

/** Issued on 1 February at midnight in Berlin, for January there. */
function invoice(billTo: BillTo, charges: readonly Charge[]): InvoiceAnswer {
  const [seal, finalize] = beginning(charges, [credit('welcome', '12345.5')]);
  const sealed = seal as SealInvoice;
  const now = at('2026-01-31T23:00:00Z');
  const taxation = taxOf({ taxId: 'DE1', standard: { rate: amount('0.19'), description: 'VAT 19 %' } });
  const period = { start: '2025-12-31T23:00:00.000Z', end: '2026-01-31T23:00:00.000Z' };
  const made = { ...sealed, billTo, period, charges: { ...sealed.charges, taxation }, now };
  return answerOf(run([made, { ...finalize, now }]).state);
}
const JANUARY = { period: { start: at('2025-12-31T23:00:00Z'), end: at('2026-01-31T23:00:00Z') } };

const EVERYTHING = invoice(
  {
    name: 'Zoë Straße, Accounts payable',
    businessName:
      'Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft & Söhne mbH',
    taxId: 'DE123456789',
    email: 'a.very.long.address.of.the.accounts.payable.department@subsidiary.of.a.company.example.com',
    timezone: 'Europe/Berlin',
  },
  [
    named('Base fee', 49_900, JANUARY),
    named('Seats', 3_100, { ...JANUARY, change: { part: 'unused', at: at('2026-01-16'), zone: 'UTC' } }),
    {
      ...usage('1234567.5', usageComponent({ label: LONG, unit_cost_cents: '0.025', free_units: '1000' }), [
        draw('promo', 200_000, { description: 'Included tokens of the plan “Business, yearly”' }),
        draw('hidden', 50, { billingVisible: false }),
      ]),
      ...JANUARY,
    },
    {
      ...usage(5000, usageComponent({ label: 'API calls', tiers: { mode: 'graduated', tiers: TIERS } })),
      ...JANUARY,
    },
    ...Array.from({ length: 55 }, (_, index) => named(`Project ${index + 1}`, 100 + index, JANUARY)),
  ],
);
const ELSEWHERE = invoice({ name: 'Łukasz Żółć', businessName: 'Ελληνικά Γράμματα / Київ' }, [
  named('Opłata — тариф', 100),
]);

/** What a reader sees: the texts of each page, those of one height in one line. */
async function textOf(pdf: Buffer): Promise<string> {
  const document = await getDocumentProxy(new Uint8Array(pdf));
  const pages: string[] = [];
  for (let number = 1; number <= document.numPages; number++) {
    const { items } = await (await document.getPage(number)).getTextContent();
    const rows = new Map<number, { readonly x: number; readonly text: string }[]>();
    for (const item of items) {
      if (!('str' in item) || item.str.trim() === '') continue;
      const [, , , , x, y] = item.transform as number[];
      const at = Math.round(y!);
      rows.set(at, [...(rows.get(at) ?? []), { x: x!, text: item.str }]);
    }
    const lines = [...rows]
      .sort(([a], [b]) => b - a)
      .map(([, row]) =>
        row
          .sort((a, b) => a.x - b.x)
          .map(({ text }) => text)
          .join(' | '),
      );
    pages.push(`--- page ${number}\n${lines.join('\n')}\n`);
  }
  return pages.join('');
}

it.each([
  ['long names, every kind of line, three pages', EVERYTHING, 'invoice.txt'],
  ['letters of other alphabets', ELSEWHERE, 'invoice-elsewhere.txt'],
])('the pages of an invoice: %s', async (_, answer, file) => {
  const pdf = await invoicePdf(answer);
  const golden = readFileSync(new URL(`../../../test/golden/${file}`, import.meta.url), 'utf8');
  expect(await textOf(pdf)).toBe(golden);
  // the same bytes for the same invoice
  expect((await invoicePdf(answer)).equals(pdf)).toBe(true);
});
