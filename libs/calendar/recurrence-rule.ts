import type { IssueCode } from '#libs/kernel';

/**
 * The grammar of renewal rules: the part of RFC 5545 that the product supports (rules.md, "Renewal and rollover").
 * Read here, evaluated elsewhere. Never throws, whatever the text.
 */
export interface RecurrenceRule {
  /** Capitals, no `RRULE:`, parts in one order, numbers without plus or leading zeros. */
  readonly canonical: string;
  readonly frequency: Frequency;
  readonly parts: ReadonlyMap<Part, string>;
}

export interface RuleFault {
  readonly code: IssueCode;
  readonly message: string;
}

export type Frequency = 'DAILY' | 'WEEKLY' | 'MONTHLY' | 'YEARLY';
export type Part = (typeof PARTS)[number];

/** Longest text that is looked at. */
export const MAX_RULE_LENGTH = 500;

const PARTS = [
  'FREQ',
  'INTERVAL',
  'COUNT',
  'UNTIL',
  'BYMONTH',
  'BYMONTHDAY',
  'BYDAY',
  'BYSETPOS',
  'WKST',
] as const;
const FREQUENCIES: readonly string[] = ['DAILY', 'WEEKLY', 'MONTHLY', 'YEARLY'];
const FINER = ['HOURLY', 'MINUTELY', 'SECONDLY'];
const LONGEST_MONTHS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** Whether the text is a rule the product can renew by: null, or what is wrong with it. */
export function checkRecurrenceRule(text: string): RuleFault | null {
  const rule = readRecurrenceRule(text);
  return 'code' in rule ? rule : null;
}

/** Reads a rule, with or without `RRULE:`, in capitals or not. */
export function readRecurrenceRule(text: string): RecurrenceRule | RuleFault {
  if (text.length > MAX_RULE_LENGTH) return invalid(`A rule has at most ${MAX_RULE_LENGTH} characters.`);
  if (!/^[\x20-\x7e]*$/.test(text)) return invalid('A rule is plain ASCII.');
  const upper = text.trim().toUpperCase();
  if (upper.includes('TZID'))
    return { code: 'rrule_tzid', message: 'A rule carries no TZID: the time zone is a field of its own.' };
  const parts = new Map<Part, string>();
  for (const piece of upper.replace(/^RRULE:/, '').split(';')) {
    const equals = piece.indexOf('=');
    const name = piece.slice(0, Math.max(equals, 0));
    if (equals < 1 || !/^[A-Z-]+$/.test(name)) return invalid(`${quote(piece)} is not NAME=value.`);
    if (!isPart(name))
      return { code: 'rrule_part_unsupported', message: `The part ${name} is not supported.` };
    if (parts.has(name)) return invalid(`${name} stands twice.`);
    const value = readPart(name, piece.slice(equals + 1));
    if (typeof value !== 'string') return value;
    parts.set(name, value);
  }
  const fault = checkTogether(parts);
  if (fault) return fault;
  const ordered = PARTS.filter((name) => parts.has(name)).map((name): [Part, string] => [
    name,
    parts.get(name)!,
  ]);
  const canonical = ordered.map(([name, value]) => `${name}=${value}`).join(';');
  return { canonical, frequency: parts.get('FREQ') as Frequency, parts: new Map(ordered) };
}

function readPart(name: Part, value: string): string | RuleFault {
  switch (name) {
    case 'FREQ':
      if (FREQUENCIES.includes(value)) return value;
      return FINER.includes(value)
        ? {
            code: 'rrule_frequency_unsupported',
            message: `FREQ=${value} is not supported: DAILY to YEARLY are.`,
          }
        : invalid(`FREQ=${quote(value)} is no frequency.`);
    case 'INTERVAL':
    case 'COUNT':
      return readNumber(name, value, 1, 10_000, false);
    case 'UNTIL':
      return isDate(value) ? value : invalid('UNTIL must be a date or a date-time such as 20270131T235959Z.');
    case 'BYMONTH':
      return readList(value, (item) => readNumber(name, item, 1, 12, false));
    case 'BYMONTHDAY':
      return readList(value, (item) => readNumber(name, item, 1, 31, true));
    case 'BYSETPOS':
      return readList(value, (item) => readNumber(name, item, 1, 366, true));
    case 'BYDAY':
      return readList(value, (item) => {
        const match = /^([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)$/.exec(item);
        if (!match) return invalid(`BYDAY=${quote(item)} is no weekday.`);
        const ordinal = match[1] === undefined ? '' : readNumber(name, match[1], 1, 53, true);
        return typeof ordinal === 'string' ? `${ordinal}${match[2]}` : ordinal;
      });
    case 'WKST':
      return /^(MO|TU|WE|TH|FR|SA|SU)$/.test(value) ? value : invalid(`WKST=${quote(value)} is no weekday.`);
  }
}

/** What RFC 5545 forbids together, and rules that no day can ever match. */
function checkTogether(parts: ReadonlyMap<Part, string>): RuleFault | null {
  const frequency = parts.get('FREQ');
  if (!frequency) return invalid('FREQ is required.');
  if (parts.has('COUNT') && parts.has('UNTIL')) return invalid('COUNT and UNTIL exclude each other.');
  if (frequency === 'WEEKLY' && parts.has('BYMONTHDAY'))
    return invalid('BYMONTHDAY does not go with FREQ=WEEKLY.');
  const ordinals = (parts.get('BYDAY') ?? '').match(/-?\d+/g) ?? [];
  if (ordinals.length > 0 && frequency !== 'MONTHLY' && frequency !== 'YEARLY')
    return invalid(`BYDAY takes ordinals with FREQ=MONTHLY and YEARLY only.`);
  const withinMonth = frequency === 'MONTHLY' || parts.has('BYMONTH');
  if (
    withinMonth &&
    ordinals.length > 0 &&
    ordinals.every((ordinal) => Math.abs(+ordinal) > 5) &&
    !/(^|,)[A-Z]/.test(parts.get('BYDAY')!)
  )
    return never('No month has a weekday six times.');
  if (parts.has('BYSETPOS') && !['BYMONTH', 'BYMONTHDAY', 'BYDAY'].some((name) => parts.has(name as Part)))
    return invalid('BYSETPOS needs another BY part.');
  const months = parts.get('BYMONTH')?.split(',');
  const days = parts.get('BYMONTHDAY')?.split(',');
  if (
    months &&
    days &&
    !months.some((month) => days.some((day) => Math.abs(+day) <= LONGEST_MONTHS[+month - 1]!))
  )
    return never('No such month has such a day.');
  return null;
}

function readNumber(
  name: Part,
  text: string,
  least: number,
  most: number,
  signed: boolean,
): string | RuleFault {
  const value = (signed ? /^[+-]?\d{1,5}$/ : /^\d{1,5}$/).test(text) ? Number(text) : NaN;
  const magnitude = Math.abs(value);
  return magnitude >= least && magnitude <= most
    ? String(value)
    : invalid(`${name}=${quote(text)} must be ${signed ? '+-' : ''}${least} to ${most}.`);
}

function readList(value: string, read: (item: string) => string | RuleFault): string | RuleFault {
  const items: string[] = [];
  for (const item of value.split(',')) {
    const result = read(item);
    if (typeof result !== 'string') return result;
    if (!items.includes(result)) items.push(result);
  }
  return items.join(',');
}

function isDate(text: string): boolean {
  const match = /^(\d{4})(\d{2})(\d{2})(?:T(\d{2})(\d{2})(\d{2})Z?)?$/.exec(text);
  if (!match) return false;
  const [year, month, day, hour, minute, second] = match.slice(1).map((digits) => Number(digits ?? 0));
  const date = new Date(Date.UTC(year!, month! - 1, day));
  return (
    year! >= 1970 &&
    date.getUTCMonth() === month! - 1 &&
    date.getUTCDate() === day! &&
    hour! < 24 &&
    minute! < 60 &&
    second! < 60
  );
}

const isPart = (name: string): name is Part => (PARTS as readonly string[]).includes(name);
const quote = (text: string): string => JSON.stringify(text.slice(0, 40));
const invalid = (message: string): RuleFault => ({ code: 'rrule_invalid', message });
const never = (message: string): RuleFault => ({ code: 'rrule_never_matches', message });
