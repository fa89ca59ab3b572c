import { applyDecorators } from '@nestjs/common';
import { ApiProperty } from '@nestjs/swagger';
import type { ApiPropertyOptions } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsOptional, ValidateBy, ValidateIf, ValidateNested } from 'class-validator';
import { MAX_SCALE, parseAmount, parseInstant, type IssueCode } from '#libs/kernel';
import { textFault } from './body.js';

/** What is wrong with a value: a stable code, and the rest of a sentence that begins with the field's name. */
type Fault = readonly [code: IssueCode, message: string] | null;

/** A rule for one field. Its message carries the code in front, where validation.ts finds it. */
function rule(name: string, check: (value: unknown) => Fault): PropertyDecorator {
  return ValidateBy({
    name,
    validator: {
      validate: (value) => check(value) === null,
      defaultMessage: (args) => {
        const [code, message] = check(args?.value) ?? ['type', 'is not acceptable'];
        return `${code}|${args?.property} ${message}.`;
      },
    },
  });
}

export interface AmountRule {
  /** Above zero; otherwise zero is fine. */
  readonly positive?: boolean;
  /** A minus sign is fine. */
  readonly signed?: boolean;
}

/**
 * A decimal string, or a whole JSON number. How many decimals the unit keeps is checked where the unit is known.
 * Codes: `amount_invalid`, `amount_not_positive`, `amount_too_precise`, `amount_out_of_range`, `amount_not_whole_number`.
 */
export const IsAmount = ({ positive = false, signed = false }: AmountRule = {}): PropertyDecorator =>
  rule('isAmount', (value) => amountFault(value, MAX_SCALE, { positive, signed }));

export function amountFault(
  value: unknown,
  scale: number,
  { positive = false, signed = false }: AmountRule = {},
): Fault {
  const amount = parseAmount(value, scale);
  if (typeof amount !== 'bigint') return [amount, AMOUNT_MESSAGES[amount]];
  if (positive && amount <= 0n) return ['amount_not_positive', 'must be above zero'];
  if (!signed && amount < 0n) return ['amount_not_positive', 'must not be below zero'];
  return null;
}

const AMOUNT_MESSAGES = {
  amount_invalid: 'must be a decimal string such as "12.5", or a whole number',
  amount_out_of_range: 'has too many digits',
  amount_too_precise: 'has more decimals than are kept',
  amount_not_whole_number: 'must be a string when it has decimals',
} as const;

/** ISO 8601 with a zone, to the millisecond. Code `instant_invalid`. */
export const IsInstant = (): PropertyDecorator =>
  rule('isInstant', (value) =>
    parseInstant(value) === null ? ['instant_invalid', 'must be a time such as 2026-01-31T12:00:00Z'] : null,
  );

const ID = /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$/;

/** An id, the caller's own or ours. Code `id_invalid`. */
export const IsId = (): PropertyDecorator => rule('isId', idFault);

const idFault = (value: unknown): Fault =>
  typeof value === 'string' && ID.test(value)
    ? null
    : [
        'id_invalid',
        'must be 1 to 128 of A-Z, a-z, 0-9, "_", ".", ":" and "-", and begin with a letter or digit',
      ];

/** Text of 1 (or `least`) to `most` characters without NUL. Codes `type`, `too_short`, `too_long`, `text_invalid`. */
export const IsText = (most: number, least = 1): PropertyDecorator =>
  rule('isText', (value) => checkText(value, most, least));

function checkText(value: unknown, most: number, least: number): Fault {
  if (typeof value !== 'string') return ['type', 'must be a text'];
  if (value.length > most) return ['too_long', `must have at most ${most} characters`];
  if (value.length < least)
    return ['too_short', `must have at least ${least} ${least === 1 ? 'character' : 'characters'}`];
  const fault = textFault(value);
  return fault && [fault.code, 'holds a character that cannot be kept'];
}

/** Text that matches a pattern. Code as given. */
export const IsPattern = (pattern: RegExp, code: IssueCode, message: string): PropertyDecorator =>
  rule('isPattern', (value) => (typeof value === 'string' && pattern.test(value) ? null : [code, message]));

/** Code `email_invalid`; no more is asked than one @ with something on both sides. */
export const IsEmailAddress = (): PropertyDecorator =>
  rule(
    'isEmailAddress',
    (value) =>
      checkText(value, 320, 1) ??
      (/^[^\s@]+@[^\s@]+$/.test(value as string) ? null : ['email_invalid', 'must be an e-mail address']),
  );

/** One of the texts. Code `not_allowed`. */
export const IsOneOf = (values: readonly string[]): PropertyDecorator =>
  rule('isOneOf', (value) =>
    (values as readonly unknown[]).includes(value)
      ? null
      : ['not_allowed', `must be one of ${values.join(', ')}`],
  );

/** A whole JSON number. Codes `type`, `out_of_range`. */
export const IsWhole = (least: number, most: number): PropertyDecorator =>
  rule('isWhole', (value) =>
    Number.isInteger(value) ? checkRange(value as number, least, most) : ['type', 'must be a whole number'],
  );

/** A list of whole JSON numbers. Codes `type`, `out_of_range`. */
export const IsWholeList = (least: number, most: number, entries: number): PropertyDecorator =>
  rule('isWholeList', (value) => {
    if (!Array.isArray(value) || !value.every((item) => Number.isInteger(item)))
      return ['type', 'must be a list of whole numbers'];
    if (value.length > entries) return ['out_of_range', `must have at most ${entries} entries`];
    return value.map((item: number) => checkRange(item, least, most)).find((fault) => fault !== null) ?? null;
  });

/** A JSON number, decimals allowed. Codes `type`, `out_of_range`. */
export const IsNumberWithin = (least: number, most: number): PropertyDecorator =>
  rule('isNumberWithin', (value) =>
    typeof value === 'number' ? checkRange(value, least, most) : ['type', 'must be a number'],
  );

const checkRange = (value: number, least: number, most: number): Fault =>
  value >= least && value <= most ? null : ['out_of_range', `must be ${least} to ${most}`];

/** `true` or `false`. Code `type`. */
export const IsFlag = (): PropertyDecorator =>
  rule('isFlag', (value) => (typeof value === 'boolean' ? null : ['type', 'must be true or false']));

/** A boolean, an amount or a text of at most 255 characters. Codes `type`, `too_long` and those of amounts. */
export const IsFeatureValue = (): PropertyDecorator =>
  rule('isFeatureValue', (value) => {
    if (typeof value === 'boolean') return null;
    return typeof value === 'number' ? amountFault(value, MAX_SCALE) : checkText(value, 255, 1);
  });

/** A list of ids. Codes `type`, `out_of_range`, `id_invalid`. */
export const IsIdList = (least: number, most: number): PropertyDecorator =>
  rule('isIdList', (value) => {
    if (!Array.isArray(value)) return ['type', 'must be a list of ids'];
    if (value.length < least || value.length > most)
      return ['out_of_range', `must have ${least} to ${most} ids`];
    return value.map(idFault).find((fault) => fault !== null) ?? null;
  });

/** A list of texts of at most 128 characters. Codes `type`, `out_of_range`, `too_long`. */
export const IsTextList = (least: number, most: number): PropertyDecorator =>
  rule('isTextList', (value) => {
    if (!Array.isArray(value)) return ['type', 'must be a list of texts'];
    if (value.length < least || value.length > most)
      return ['out_of_range', `must have ${least} to ${most} entries`];
    return value.map((item) => checkText(item, 128, 1)).find((fault) => fault !== null) ?? null;
  });

/** Text by name, flat: at most 50 members, names to 40 and texts to 500 characters. Code `metadata_invalid`. */
export const IsMetadata = (): PropertyDecorator =>
  rule('isMetadata', (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      return ['metadata_invalid', 'must be an object of texts'];
    const entries = Object.entries(value);
    if (entries.length > 50) return ['metadata_invalid', 'must have at most 50 members'];
    const bad = entries.find(([name, text]) => checkText(name, 40, 1) ?? checkText(text, 500, 0));
    return bad
      ? [
          'metadata_invalid',
          `has a member ${JSON.stringify(bad[0].slice(0, 40))} whose name is over 40 characters or whose value is no text of at most 500`,
        ]
      : null;
  });

/** A decimal whole number in a query. Code `out_of_range`. */
export const IsQueryNumber = (least: number, most: number): PropertyDecorator =>
  rule('isQueryNumber', (value) =>
    typeof value === 'string' && /^\d{1,15}$/.test(value)
      ? checkRange(Number(value), least, most)
      : ['type', 'must be a whole number'],
  );

/** `true` or `false` in a query. Code `not_allowed`. */
export const IsQueryFlag = (): PropertyDecorator => IsOneOf(['true', 'false']);

/** Anything: what it is for says what is wrong with it. */
export const IsJson = (): PropertyDecorator => rule('isJson', () => null);

/** An object with rules of its own. */
export const IsObjectOf = (dto: () => new () => object): PropertyDecorator =>
  applyDecorators(
    Type(dto),
    ValidateNested(),
    rule('isObjectOf', (value) =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? null
        : ['type', 'must be an object'],
    ),
  );

/** A list of objects with rules of their own. Codes `type`, `out_of_range`. */
export const IsListOf = (dto: () => new () => object, least: number, most: number): PropertyDecorator =>
  applyDecorators(
    Type(dto),
    ValidateNested(),
    rule('isListOf', (value) => {
      if (!Array.isArray(value)) return ['type', 'must be a list'];
      // class-validator looks into a list within the list, and would find nothing in an empty one
      if (value.some((entry) => Array.isArray(entry))) return ['type', 'must be a list of objects'];
      return value.length < least || value.length > most
        ? ['out_of_range', `must have ${least} to ${most} entries`]
        : null;
    }),
  );

export type FieldOptions = ApiPropertyOptions & {
  /** May be left out; null counts as left out, with `not-null` it is refused. */
  readonly optional?: boolean | 'not-null';
};

/** A field of a DTO: its rule, whether it may be left out, and what the documentation says. */
export function Field(
  check: PropertyDecorator,
  { optional = false, ...api }: FieldOptions = {},
): PropertyDecorator {
  const presence =
    optional === 'not-null'
      ? [ValidateIf((_, value) => value !== undefined)]
      : optional
        ? [IsOptional()]
        : [];
  return applyDecorators(
    check,
    ...presence,
    ApiProperty({ ...api, required: !optional } as ApiPropertyOptions),
  );
}
