import { isUtf8 } from 'node:buffer';
import { Problem } from '#libs/kernel';
import type { Issue } from '#libs/kernel';

/** Largest body of a request, in bytes. */
export const MAX_BODY_BYTES = 1024 * 1024;
/** Deepest nesting of a body; nothing the API knows comes near it. */
export const MAX_DEPTH = 32;

/** Names that every object has, or that could reach a prototype when a body is copied member by member. */
const FORBIDDEN_NAMES = new Set([...Object.getOwnPropertyNames(Object.prototype), 'prototype']);

/**
 * Reads a JSON body and looks at every text in it once, so that nothing behind it has to.
 * @throws Problem `malformed_json`, also for a member that stands twice; `validation_failed` for texts that no store can
 *   keep, names that could pollute, and numbers that would be rounded
 */
export function readJsonBody(body: Buffer): unknown {
  if (body.length === 0) throw new Problem('malformed_json', 'The body is empty.');
  if (!isUtf8(body)) throw new Problem('malformed_json', 'The body is not UTF-8.');
  const text = body.toString('utf8');
  let value = parse(text);
  const marked = LONG_NUMBER.test(text) ? text.replace(TOKENS, markRounded) : text;
  if (marked !== text) value = parse(marked);
  const { issues, members } = lookInto(value);
  if (issues.length > 0) throw new Problem('validation_failed', issues[0]!.message, issues);
  // the parser keeps the last of two, whatever the sender meant
  if (members !== namesIn(text)) throw new Problem('malformed_json', 'A member stands twice in one object.');
  return value;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Problem('malformed_json', 'The body is not one well-formed JSON document.');
  }
}

/** A number with fewer digits reads as it is written. Also found inside of texts, which then are looked at for nothing. */
const LONG_NUMBER = /[\d.]{17}|[:[,\s]-?[\d.]+[eE]-\d{3}/;
const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.]*(?:[eE][+-]?\d+)?/g;
/** Stands for a number that would be rounded: no text may hold NUL. */
const ROUNDED = '\0number';

/** What reads as a number that callers count on, but not as the one that is written. Larger ones are out of every range. */
function markRounded(token: string): string {
  if (token.startsWith('"')) return token;
  const value = Number(token);
  return Math.abs(value) <= Number.MAX_SAFE_INTEGER && decimalOf(token) !== decimalOf(String(value))
    ? JSON.stringify(ROUNDED)
    : token;
}

/** A number's digits and where its point stands: the same for all ways to write it. */
function decimalOf(text: string): string {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = NUMBER.exec(text)!;
  const digits = (whole + fraction).replace(/^0+/, '');
  const significant = digits.replace(/0+$/, '');
  if (significant === '') return '0';
  return `${sign}${significant}e${Number(exponent) - fraction.length + digits.length - significant.length}`;
}

const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

/** How many names of members a well-formed JSON document has. */
function namesIn(text: string): number {
  let names = 0;
  for (const [, colon] of text.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"(\s*:)?/g)) if (colon !== undefined) names++;
  return names;
}

/** Texts with NUL or a lone surrogate, forbidden names, and nesting beyond {@link MAX_DEPTH}; at most 100 issues. */
export const findUnacceptable = (root: unknown): readonly Issue[] => lookInto(root).issues;

/** @returns also how many members all of its objects have together */
function lookInto(root: unknown): { readonly issues: readonly Issue[]; readonly members: number } {
  const issues: Issue[] = [];
  let members = 0;
  visit(root, null, null, 0);
  return { issues, members };

  function visit(value: unknown, parent: Trail | null, name: string | number | null, depth: number): void {
    if (issues.length >= 100) return;
    const fault = faultOf(value, depth);
    if (fault) issues.push({ pointer: pointerOf(parent, name), ...fault });
    else if (typeof value === 'object' && value !== null) {
      const trail = name === null ? null : { parent, name };
      if (Array.isArray(value)) value.forEach((item, index) => visit(item, trail, index, depth + 1));
      else
        for (const [member, item] of Object.entries(value)) {
          members++;
          if (FORBIDDEN_NAMES.has(member) || textFault(member))
            issues.push({
              pointer: pointerOf(trail, member.replace(/[\0\p{Surrogate}]/gu, '\uFFFD')),
              code: 'forbidden_name',
              message: 'A member may not have this name.',
            });
          else visit(item, trail, member, depth + 1);
        }
    }
  }
}

/** Path to a value; the pointer is written only when there is something to report. */
interface Trail {
  readonly parent: Trail | null;
  readonly name: string | number;
}

function faultOf(value: unknown, depth: number): Omit<Issue, 'pointer'> | null {
  if (value === ROUNDED)
    return {
      code: 'number_too_precise',
      message: 'A number has more digits than JSON numbers keep; send it as a text.',
    };
  if (typeof value === 'string') return textFault(value);
  if (depth > MAX_DEPTH)
    return { code: 'too_deep', message: `The body is nested deeper than ${MAX_DEPTH} levels.` };
  return null;
}

/** What makes a text unacceptable anywhere: NUL, or half of a surrogate pair. */
export const textFault = (text: string): Omit<Issue, 'pointer'> | null =>
  UNKEEPABLE.test(text)
    ? { code: 'text_invalid', message: 'A text holds NUL or half of a surrogate pair.' }
    : null;

const UNKEEPABLE = /[\0\p{Surrogate}]/u;

function pointerOf(parent: Trail | null, name: string | number | null): string {
  const names: (string | number)[] = [];
  if (name !== null) names.push(name);
  for (let trail = parent; trail; trail = trail.parent) names.unshift(trail.name);
  return names.map((step) => `/${escapePointer(String(step))}`).join('');
}

/** One step of an RFC 6901 pointer. */
export const escapePointer = (step: string): string => step.replaceAll('~', '~0').replaceAll('/', '~1');
