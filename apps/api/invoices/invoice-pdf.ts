import PdfDocument from 'pdfkit';
import type { InvoiceAnswer, InvoiceLine } from '#libs/billing';
import { CURRENCIES, type BillingIdentity } from '#libs/catalog';

const MARGIN = 50;
const WIDTH = 595 - 2 * MARGIN;
const BOTTOM = 842 - 80;
const GREY = '#666666';
/** Left edges and widths of the table's columns. */
const COLUMNS = [
  { title: 'Description', x: 0, width: 235, align: 'left' },
  { title: 'Quantity', x: 240, width: 75, align: 'right' },
  { title: 'Unit price', x: 320, width: 75, align: 'right' },
  { title: 'Amount', x: 400, width: WIDTH - 400, align: 'right' },
] as const;

/** An invoice as a page to send to the customer: the same bytes for the same invoice. */
export async function invoicePdf(invoice: InvoiceAnswer): Promise<Buffer> {
  const { number, issuedAt, dueAt, billTo, billFrom, currency } = invoice;
  const document = new PdfDocument({
    size: 'A4',
    margin: MARGIN,
    bufferPages: true,
    info: { Title: `Invoice ${number}`, CreationDate: new Date(issuedAt), ModDate: new Date(issuedAt) },
  });
  const parts: Buffer[] = [];
  const done = new Promise<Buffer>((resolve, reject) => {
    document.on('data', (part: Buffer) => parts.push(part));
    document.on('end', () => resolve(Buffer.concat(parts)));
    document.on('error', reject);
  });
  const bold = () => document.font('Helvetica-Bold');
  const plain = () => document.font('Helvetica');
  const money = moneyOf(currency);

  bold().fontSize(22).text('Invoice', MARGIN, MARGIN);
  const facts: readonly (readonly [string, string])[] = [
    ['Number', number],
    ['Issued', day(issuedAt)],
    ['Due', day(dueAt)],
    ...(invoice.period
      ? [['Period', `${day(invoice.period.start)} to ${day(invoice.period.end)}`] as const]
      : []),
    ['Status', invoice.status],
  ];
  facts.forEach(([name, value], index) => {
    const y = MARGIN + index * 14;
    plain()
      .fontSize(9)
      .fillColor(GREY)
      .text(name, MARGIN + 300, y, { width: 50 });
    document.fillColor('black').text(value, MARGIN + 350, y, { width: WIDTH - 350, align: 'right' });
  });
  const party = (title: string, y: number, texts: readonly (string | undefined)[]) => {
    bold().fontSize(9).text(title, MARGIN, y);
    plain();
    for (const text of texts)
      if (text !== undefined && text !== '') document.text(printable(text), { width: 260 });
  };
  const { name, businessName, taxId, email } = billTo;
  if (billFrom) party('From', MARGIN + 40, senderLines(billFrom));
  party('Bill to', billFrom ? document.y + 12 : MARGIN + 50, [businessName, name, email, taxIdLine(taxId)]);

  let y = Math.max(document.y, MARGIN + 5 * 14) + 30;
  const header = () => {
    bold().fontSize(9).fillColor('black');
    for (const { title, x, width, align } of COLUMNS) document.text(title, MARGIN + x, y, { width, align });
    y += 15;
    rule(document, y - 3);
  };
  header();
  for (const line of invoice.lines) {
    const [title, detail] = textsOf(line);
    plain().fontSize(9);
    const height = document.heightOfString(title, { width: COLUMNS[0].width }) + (detail === '' ? 0 : 10) + 6;
    if (y + height > BOTTOM) {
      document.addPage();
      y = MARGIN;
      header();
    }
    const cells = [title, quantityOf(line), unitOf(line, money), money(line.amount)];
    plain().fontSize(9).fillColor('black');
    cells.forEach((cell, index) => {
      const { x, width, align } = COLUMNS[index]!;
      document.text(cell, MARGIN + x, y + 2, { width, align });
    });
    if (detail !== '')
      document
        .fontSize(7)
        .fillColor(GREY)
        .text(detail, MARGIN, y + height - 11, { width: COLUMNS[0].width });
    y += height;
  }
  if (y + 100 > BOTTOM) {
    document.addPage();
    y = MARGIN;
  }
  rule(document, y + 4);
  y += 12;
  const totals: readonly (readonly [string, string])[] = [
    ['Subtotal', invoice.subtotal],
    ...(invoice.credits === '0' ? [] : [['Credits', invoice.credits] as const]),
    ['Tax', invoice.tax],
    ['Total', invoice.total],
    ...(invoice.amountPaid === '0' ? [] : [['Paid', `-${invoice.amountPaid}`] as const]),
    ...(invoice.amountCredited === '0' ? [] : [['Credit notes', `-${invoice.amountCredited}`] as const]),
    [`Due (${currency})`, invoice.amountDue],
  ];
  for (const [label, amount] of totals) {
    const isSum = label === 'Total' || label.startsWith('Due');
    (isSum ? bold() : plain()).fontSize(isSum ? 10 : 9).fillColor('black');
    document.text(label, MARGIN + 240, y, { width: 155, align: 'right' });
    document.text(money(amount), MARGIN + 400, y, { width: WIDTH - 400, align: 'right' });
    y += 15;
  }
  const { reason } = invoice.taxation;
  if (reason !== undefined)
    plain()
      .fontSize(8)
      .fillColor(GREY)
      .text(`Tax: ${printable(reason.replaceAll('_', ' '))}`, MARGIN, y + 10, { width: WIDTH });
  const { count } = document.bufferedPageRange();
  for (let page = 0; page < count; page++) {
    document.switchToPage(page);
    document.page.margins.bottom = 0; // or the footer begins a page of its own
    plain()
      .fontSize(8)
      .fillColor(GREY)
      .text(`${number}  ·  page ${page + 1} of ${count}`, MARGIN, 800, { width: WIDTH, align: 'center' });
  }
  document.end();
  return done;
}

const taxIdLine = (taxId: string | undefined): string | undefined =>
  taxId === undefined ? undefined : `Tax id ${taxId}`;

function senderLines(from: BillingIdentity): readonly (string | undefined)[] {
  const { name, addressLine1, addressLine2, postalCode, city, state, country, taxId, email } = from;
  const words = (...parts: readonly (string | undefined)[]) => parts.filter((part) => part !== undefined);
  const place = [words(postalCode, city).join(' '), ...words(state, country)];
  const cityLine = place.filter((part) => part !== '').join(', ');
  return [name, addressLine1, addressLine2, cityLine, email, taxIdLine(taxId)];
}

function rule(document: PDFKit.PDFDocument, y: number): void {
  document
    .moveTo(MARGIN, y)
    .lineTo(MARGIN + WIDTH, y)
    .lineWidth(0.5)
    .strokeColor('#bbbbbb')
    .stroke();
}

const day = (instant: string): string => instant.slice(0, 10);

/** The standard fonts have the letters of Western Europe; others become a question mark. */
const printable = (text: string): string =>
  text.replace(/[^\u0020-\u007e\u00a0-\u00ff\u2013\u2014\u2018\u2019\u201c\u201d\u2022\u20ac]/gu, '?');

/** Minor units as the currency is written: `1234567` cents are `12,345.67`. Fractions of minor units are kept. */
function moneyOf(currency: string): (amount: string) => string {
  const digits = CURRENCIES.get(currency)?.digits ?? 2;
  return (amount) => {
    const [, sign, whole, fraction = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(amount)!;
    const padded = whole!.padStart(digits + 1, '0');
    const major = padded.slice(0, padded.length - digits).replace(/\B(?=(\d{3})+$)/g, ',');
    const minor = digits === 0 ? fraction : padded.slice(-digits) + fraction;
    return `${sign}${major}${minor === '' ? '' : `.${minor}`}`;
  };
}

function textsOf(line: InvoiceLine): readonly [string, string] {
  const details: string[] = [];
  if ('period' in line && line.period) details.push(`${day(line.period.start)} to ${day(line.period.end)}`);
  if ('proration' in line && line.proration) {
    const { part, days, of } = line.proration;
    details.push(`${part === 'unused' ? 'unused, ' : ''}${days} of ${of} days`);
  }
  if ('freeQuantity' in line && line.freeQuantity) details.push(`${line.freeQuantity} free`);
  if ('coveredQuantity' in line && line.coveredQuantity)
    details.push(`${line.coveredQuantity} more covered by credits`);
  if ('tiers' in line && line.tiers) details.push('priced by tiers');
  if (line.type === 'usage_credit' || line.type === 'monetary_credit') details.push('credit');
  return [printable(line.description), details.join(', ')];
}

const quantityOf = (line: InvoiceLine): string =>
  'quantity' in line ? `${line.type === 'usage_credit' ? '-' : ''}${line.quantity}` : '';

const unitOf = (line: InvoiceLine, money: (amount: string) => string): string =>
  'unitAmount' in line && line.unitAmount !== undefined ? money(line.unitAmount) : '';
