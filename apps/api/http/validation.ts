import type { ArgumentMetadata, PipeTransform } from '@nestjs/common';
import { plainToInstance } from 'class-transformer';
import { getMetadataStorage, validateSync, ValidationTypes } from 'class-validator';
import type { ValidationError } from 'class-validator';
import { issue, Problem } from '#libs/kernel';
import type { Issue, IssueCode } from '#libs/kernel';
import { escapePointer, findUnacceptable, textFault } from './body.js';

type Dto = new () => object;

/**
 * Checks bodies and queries against the class of the parameter and lists every issue. All rules are synchronous.
 * @throws Problem 422 `validation_failed` for a body; 400 `unknown_query_parameter` or `invalid_query_parameter` for a
 *   query; 404 for a path parameter that no id can be
 */
export class InputPipe implements PipeTransform {
  transform(value: unknown, { type, metatype }: ArgumentMetadata): unknown {
    if (type === 'param') return readPathParameter(value);
    if (!metatype || metatype === Object || type === 'custom') return value;
    return type === 'body' ? readBody(metatype as Dto, value) : readQuery(metatype as Dto, value);
  }
}

export function readPathParameter(value: unknown): unknown {
  if (typeof value === 'string' && textFault(value))
    throw new Problem('not_found', 'No id can be this text.');
  return value;
}

/** A request without a body counts as one without members; a body of `null` does not. */
export function readBody<T extends object>(dto: new () => T, body: unknown): T {
  const value = body === undefined ? {} : body;
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Problem('validation_failed', 'The body must be a JSON object.', [
      { pointer: '', code: 'type', message: 'The body must be a JSON object.' },
    ]);
  if (isFlawless(dto, value)) return Object.assign(new dto(), value);
  const instance = plainToInstance(dto, value);
  const issues = check(instance, '/');
  if (issues.length > 0)
    throw new Problem(
      'validation_failed',
      `${issues.length === 1 ? 'One issue' : `${issues.length} issues`}: ${issues[0]!.message}`,
      issues,
    );
  return withoutNullsInside(instance);
}

/** Null takes away what the body itself is about; inside its objects it means the same as leaving out. */
function withoutNullsInside<T extends object>(instance: T): T {
  for (const value of Object.values(instance).flat())
    if (isDto(value)) {
      for (const [name, member] of Object.entries(value))
        if (member === null) delete (value as Record<string, unknown>)[name];
      withoutNullsInside(value);
    }
  return instance;
}

/** Of a class with rules of its own; free objects, such as metadata, are plain ones. */
const isDto = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && value.constructor !== Object;

export function readQuery<T extends object>(dto: new () => T, query: unknown): T {
  const given = { ...(query as Record<string, unknown>) };
  const unacceptable = findUnacceptable(given).map(({ pointer, ...issue }) => ({
    pointer: `?${pointer.slice(1)}`,
    ...issue,
  }));
  if (unacceptable.length > 0)
    throw new Problem('invalid_query_parameter', unacceptable[0]!.message, unacceptable);
  if (isFlawless(dto, given)) return Object.assign(new dto(), given);
  const instance = plainToInstance(dto, given);
  const issues = check(instance, '?');
  if (issues.length === 0) return instance;
  const code = issues.some((issue) => issue.code === 'unknown_field')
    ? 'unknown_query_parameter'
    : 'invalid_query_parameter';
  throw new Problem(code, issues.map(({ message }) => message).join(' '), issues);
}

/** The rules of a class by field: class-validator gathers them anew for every value, which costs more than all of them. */
const rulesOf = new Map<Dto, Rules>();

interface Rules {
  readonly fields: ReadonlyMap<string, (object: object, value: unknown) => boolean>;
  readonly required: readonly string[];
}

/** Whether a flat object surely has no issue; of any other, class-validator says more. */
function isFlawless(dto: Dto, object: object): boolean {
  let rules = rulesOf.get(dto);
  if (!rules) rulesOf.set(dto, (rules = gatherRules(dto)));
  const values = object as Readonly<Record<string, unknown>>;
  for (const name in values) {
    const value = values[name];
    if (typeof value === 'object' && value !== null) return false;
    if (!rules.fields.get(name)?.(object, value)) return false;
  }
  return rules.required.every((name) => name in values);
}

function gatherRules(dto: Dto): Rules {
  const storage = getMetadataStorage();
  const byField = storage.groupByPropertyName(storage.getTargetValidationMetadatas(dto, '', false, false));
  const fields = new Map(
    Object.entries(byField).map(([name, metadata]) => {
      const conditions = metadata
        .filter(({ type }) => type === ValidationTypes.CONDITIONAL_VALIDATION)
        .map(({ constraints }) => constraints[0] as (object: object, value: unknown) => boolean);
      const checks = metadata
        .filter(({ type }) => type === ValidationTypes.CUSTOM_VALIDATION)
        .flatMap(({ constraintCls }) => storage.getTargetValidatorConstraints(constraintCls))
        .map(({ instance }) => instance);
      const holds = (object: object, value: unknown): boolean =>
        conditions.some((applies) => !applies(object, value)) ||
        checks.every((check) => check.validate(value) === true);
      return [name, holds] as const;
    }),
  );
  const required = [...fields].filter(([, holds]) => !holds({}, undefined)).map(([name]) => name);
  return { fields, required };
}

const OPTIONS = {
  whitelist: true,
  forbidNonWhitelisted: true,
  forbidUnknownValues: false,
  validationError: { target: false },
};

function check(instance: object, prefix: '/' | '?'): readonly Issue[] {
  const errors = validateSync(instance, OPTIONS);
  return errors.length === 0 ? [] : errors.flatMap((error) => toIssues(error, prefix));
}

function toIssues(
  { property, value, constraints, children }: ValidationError,
  prefix: string,
): readonly Issue[] {
  const pointer = `${prefix}${escapePointer(property)}`;
  const nested = (children ?? []).flatMap((child) => toIssues(child, `${pointer}/`));
  if (!constraints) return nested;
  if ('whitelistValidation' in constraints)
    return [{ pointer, code: 'unknown_field', message: `${property} is not known here.` }];
  if (value === undefined) return [{ pointer, code: 'required', message: `${property} is required.` }];
  // class-validator's own word on something that is no object says less than the field's rule
  const { nestedValidation, ...rules } = constraints;
  const issues = Object.values(rules).map((text) => ({ pointer, ...readMessage(text) }));
  if (issues.some(({ code }) => code === 'type')) return issues;
  const type = issue(pointer, 'type', `${property} must be an object.`);
  return [...issues, ...(nestedValidation && issues.length === 0 ? [type] : []), ...nested];
}

/** The rules of fields.ts write their code in front of the message. */
function readMessage(text: string): Omit<Issue, 'pointer'> {
  const bar = text.indexOf('|');
  return { code: text.slice(0, bar) as IssueCode, message: text.slice(bar + 1) };
}
