import { createRequire } from 'node:module';
import type { InvoiceAnswer, InvoiceLine } from '#libs/billing';
import { wallClockAt } from '#libs/calendar';
import { CURRENCIES, type BillingIdentity } from '#libs/catalog';
import { formatInstant, readInstant } from '#libs/kernel';

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

const fontFile = (name: string): string =>
  createRequire(import.meta.url).resolve(`dejavu-fonts-ttf/ttf/${name}.ttf`);
/** Every reader has it; its letters are those of Western Europe. */
const STANDARD = { plain: 'Helvetica', bold: 'Helvetica-Bold' };
const STANDARD_TEXT = /^[\u0020-\u007e\u00a0-\u00ff\u2013\u2014\u2018\u2019\u201c\u201d\u2022\u20ac]*$/u;
/** For all else: put into the page, as far as its letters are used. */
const WIDE = { plain: fontFile('DejaVuSansCondensed'), bold: fontFile('DejaVuSansCondensed-Bold') };

/** An invoice as pages to send to the customer: the same bytes for the same invoice. Days are those of the customer's zone. */
export async function invoicePdf(invoice: InvoiceAnswer): Promise<Buffer> {
  const { default: PdfDocument } = await import('pdfkit'); // takes a while to load, and most processes make no pages
  const document = new PdfDocument({
    size: 'A4',
    margin: MARGIN,
    bufferPages: true,
    info: {
      Title: `Invoice ${invoice.number}`,
      CreationDate: new Date(invoice.issuedAt),
      ModDate: new Date(invoice.issuedAt),
    },
  });
  const parts: Buffer[] = [];
  const done = new Promise<Buffer>((resolve, reject) => {
    document.on('data', (part: Buffer) => parts.push(part));
    document.on('end', () => resolve(Buffer.concat(parts)));
    document.on('error', reject);
  });
  const pen = penOf(document, invoice);
  const below = writeHead(pen, invoice);
  writeTotals(pen, invoice, writeLines(pen, invoice, below));
  writeFooters(pen, invoice);
  document.end();
  return done;
}

/** What all parts of an invoice are written with. */
interface Pen {
  readonly document: PDFKit.PDFDocument;
  readonly plain: (size?: number, color?: string) => PDFKit.PDFDocument;
  readonly bold: (size?: number) => PDFKit.PDFDocument;
  readonly money: (amount: string) => string;
  /** `2026-01-31`. */
  readonly day: (instant: string) => string;
  /** First and last day. */
  readonly days: (period: { readonly start: string; readonly end: string }) => string;
}

function penOf(
  document: PDFKit.PDFDocument,
  { billFrom, billTo, lines, currency, taxation }: InvoiceAnswer,
): Pen {
  const { name, businessName, email, taxId } = billTo;
  const sender = billFrom ? senderLines(billFrom) : [];
  const texts = [
    ...[name, businessName, email, taxId, taxation.reason],
    ...sender,
    ...lines.map((line) => line.description),
  ];
  const font = texts.every((text = '') => STANDARD_TEXT.test(text)) ? STANDARD : WIDE;
  const dayAt = (instant: number): string =>
    formatInstant(wallClockAt(instant, billTo.timezone ?? 'UTC')).slice(0, 10);
  const day = (instant: string): string => dayAt(readInstant(instant));
  return {
    document,
    plain: (size = 9, color = 'black') => document.font(font.plain).fontSize(size).fillColor(color),
    bold: (size = 9) => document.font(font.bold).fontSize(size).fillColor('black'),
    money: moneyOf(currency),
    day,
    days: ({ start, end }) => `${day(start)} to ${dayAt(readInstant(end) - 1)}`,
  };
}

/** @returns where the table may begin */
function writeHead({ document, plain, bold, day, days }: Pen, invoice: InvoiceAnswer): number {
  bold(22).text('Invoice', MARGIN, MARGIN);
  const facts: readonly (readonly [string, string])[] = [
    ['Number', invoice.number],
    ['Issued', day(invoice.issuedAt)],
    ['Due', day(invoice.dueAt)],
    ...(invoice.period ? [['Period', days(invoice.period)] as const] : []),
    ['Status', invoice.status],
  ];
  facts.forEach(([name, value], index) => {
    const y = MARGIN + index * 14;
    plain(9, GREY).text(name, MARGIN + 300, y, { width: 50 });
    plain().text(value, MARGIN + 350, y, { width: WIDTH - 350, align: 'right' });
  });
  const party = (title: string, y: number, texts: readonly (string | undefined)[]): void => {
    bold().text(title, MARGIN, y);
    plain();
    for (const text of texts) if (text !== undefined && text !== '') document.text(text, { width: 260 });
  };
  const { billFrom, billTo } = invoice;
  if (billFrom) party('From', MARGIN + 40, senderLines(billFrom));
  const { name, businessName, taxId, email } = billTo;
  const below = billFrom ? document.y + 12 : MARGIN + 50;
  party('Bill to', below, [businessName, name, email, taxIdLine(taxId)]);
  return Math.max(document.y, MARGIN + facts.length * 14) + 30;
}

/** @returns where the table ends */
function writeLines(pen: Pen, { lines, currency }: InvoiceAnswer, from: number): number {
  const { document, plain, bold, money } = pen;
  let y = from;
  const header = (): void => {
    bold();
    for (const { title, x, width, align } of COLUMNS)
      document.text(title === 'Amount' ? `${title} (${currency})` : title, MARGIN + x, y, { width, align });
    y += 15;
    rule(document, y - 3);
  };
  header();
  const [{ width }] = COLUMNS;
  for (const line of lines) {
    const detail = detailOf(line, lines, pen);
    plain();
    const text = document.heightOfString(line.description, { width });
    plain(7);
    const height = text + (detail === '' ? 0 : document.heightOfString(detail, { width }) + 2) + 6;
    if (y + height > BOTTOM) {
      document.addPage();
      y = MARGIN;
      header();
    }
    plain();
    [line.description, quantityOf(line), unitOf(line, money), money(line.amount)].forEach((cell, index) => {
      const column = COLUMNS[index]!;
      document.text(cell, MARGIN + column.x, y + 2, { width: column.width, align: column.align });
    });
    if (detail !== '') plain(7, GREY).text(detail, MARGIN, y + 2 + text, { width });
    y += height;
  }
  return y;
}

function writeTotals({ document, plain, bold, money }: Pen, invoice: InvoiceAnswer, from: number): void {
  let y = from;
  if (y + 130 > BOTTOM) {
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
    [`Due (${invoice.currency})`, invoice.amountDue],
  ];
  for (const [label, amount] of totals) {
    if (label === 'Total' || label.startsWith('Due')) bold(10);
    else plain();
    document.text(label, MARGIN + 240, y, { width: 155, align: 'right' });
    document.text(money(amount), MARGIN + 400, y, { width: WIDTH - 400, align: 'right' });
    y += 15;
  }
  const { reason } = invoice.taxation;
  if (reason !== undefined)
    plain(8, GREY).text(`Tax: ${reason.replaceAll('_', ' ')}`, MARGIN, y + 10, { width: WIDTH });
}

function writeFooters({ document, plain }: Pen, { number }: InvoiceAnswer): void {
  const { count } = document.bufferedPageRange();
  for (let page = 0; page < count; page++) {
    document.switchToPage(page);
    document.page.margins.bottom = 0; // or the footer begins a page of its own
    const text = `${number}  ·  page ${page + 1} of ${count}`;
    plain(8, GREY).text(text, MARGIN, 800, { width: WIDTH, align: 'center' });
  }
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

/** `1234567.5` is `1,234,567.5`. */
const grouped = (number: string): string => number.replace(/\B(?=(\d{3})+(?!\d))(?<!\.\d*)/g, ',');

/** Minor units as the currency is written: `1234567` cents are `12,345.67`. Fractions of minor units are kept. */
function moneyOf(currency: string): (amount: string) => string {
  const digits = CURRENCIES.get(currency)?.digits ?? 2;
  return (amount) => {
    const [, sign, whole, fraction = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(amount)!;
    const padded = whole!.padStart(digits + 1, '0');
    const major = grouped(padded.slice(0, padded.length - digits));
    const minor = digits === 0 ? fraction : padded.slice(-digits) + fraction;
    return `${sign}${major}${minor === '' ? '' : `.${minor}`}`;
  };
}

/** What stands below a line's text. */
function detailOf(line: InvoiceLine, lines: readonly InvoiceLine[], { money, days }: Pen): string {
  if (line.type === 'tax') return '';
  if (line.type === 'usage_credit' || line.type === 'monetary_credit')
    return `credit for ${lines.find(({ lineId }) => lineId === line.appliesTo)!.description}`;
  const { period, proration, freeQuantity, coveredQuantity, tiers = [] } = line;
  const prices = tiers.map(
    ({ quantity, unitAmount, flatAmount }) =>
      `${grouped(quantity)} at ${money(unitAmount)}${flatAmount === undefined ? '' : ` and ${money(flatAmount)}`}`,
  );
  return [
    ...(period ? [days(period)] : []),
    ...(proration
      ? [`${proration.part === 'unused' ? 'unused, ' : ''}${proration.days} of ${proration.of} days`]
      : []),
    ...(freeQuantity === undefined ? [] : [`${grouped(freeQuantity)} free`]),
    ...(coveredQuantity === undefined ? [] : [`${grouped(coveredQuantity)} more covered by credits`]),
    ...(prices.length === 0 ? [] : [prices.join(' + ')]),
  ].join(', ');
}

const quantityOf = (line: InvoiceLine): string =>
  'quantity' in line ? `${line.type === 'usage_credit' ? '-' : ''}${grouped(line.quantity)}` : '';

const unitOf = (line: InvoiceLine, money: (amount: string) => string): string =>
  'unitAmount' in line && line.unitAmount !== undefined ? money(line.unitAmount) : '';
