import { Ajv, type ErrorObject, type JSONSchemaType, type SchemaObject } from 'ajv';
import { parseAmount, parseInstant, Problem, type Issue, type IssueCode } from '#libs/kernel';
import type { UsageRequest } from '#libs/commands/credits';
import { amountFault, escapePointer } from '../http/index.js';

/** Most events one batch may carry. */
export const MAX_BATCH = 1000;

/** The shape of one usage event; also what the documentation shows. */
export const USAGE_EVENT_SCHEMA = {
  type: 'object',
  additionalProperties: false,
  required: ['eventName'],
  properties: {
    eventName: { type: 'string', minLength: 1, maxLength: 128, example: 'api-calls' },
    customerId: { type: 'string', minLength: 1, maxLength: 128, example: 'cust_123' },
    extCustomerId: { type: 'string', minLength: 1, maxLength: 256, example: 'user_ext_456' },
    eventValue: { type: ['string', 'number'], amount: true, example: 1 },
    eventString: { type: 'string', minLength: 1, maxLength: 1000 },
    eventTimestamp: { type: 'string', instant: true, example: '2026-11-20T12:00:00.000Z' },
    idempotencyKey: { type: 'string', minLength: 1, maxLength: 255, example: 'evt-2026-11-20-0001' },
    properties: {
      type: 'object',
      maxProperties: 50,
      additionalProperties: { type: ['string', 'number', 'boolean', 'null'], maxLength: 1000 },
    },
  },
} as const;

const ajv = new Ajv({ allErrors: true, allowUnionTypes: true, ownProperties: true, validateFormats: false });
ajv.addKeyword('example');
ajv.addKeyword({
  keyword: 'amount',
  schemaType: 'boolean',
  validate: (_: unknown, value: unknown) => typeof parseAmount(value) === 'bigint',
  errors: false,
});
ajv.addKeyword({
  keyword: 'instant',
  schemaType: 'boolean',
  validate: (_: unknown, value: unknown) => parseInstant(value) !== null,
  errors: false,
});
const check = ajv.compile<UsageRequest>(USAGE_EVENT_SCHEMA as SchemaObject as JSONSchemaType<UsageRequest>);

/**
 * Checks one usage event with a compiled validator: this runs for every event of every batch.
 * @returns the event, or the Problem that lists every issue
 */
export function readUsage(input: unknown): UsageRequest | Problem {
  if (check(input)) {
    const rules = crossRules(input);
    return rules.length === 0 ? input : refusal(rules);
  }
  const issues = (check.errors ?? []).map((error) => issueOf(error, input));
  return refusal(
    typeof input === 'object' && input !== null ? [...issues, ...crossRules(input as UsageRequest)] : issues,
  );
}

function crossRules({ customerId, extCustomerId, eventValue, eventString }: UsageRequest): Issue[] {
  const issues: Issue[] = [];
  if ((customerId === undefined) === (extCustomerId === undefined))
    issues.push({
      pointer: '/customerId',
      code: 'required',
      message: 'Exactly one of customerId and extCustomerId is needed.',
    });
  if (eventValue !== undefined && eventString !== undefined)
    issues.push({
      pointer: '/eventString',
      code: 'exclusive',
      message: 'At most one of eventValue and eventString is allowed.',
    });
  return issues;
}

const refusal = (issues: readonly Issue[]): Problem =>
  new Problem(
    'validation_failed',
    `${issues.length === 1 ? 'One issue' : `${issues.length} issues`}: ${issues[0]!.message}`,
    issues,
  );

function issueOf({ instancePath, keyword, params, message }: ErrorObject, input: unknown): Issue {
  const name = instancePath.slice(1) || 'The event';
  switch (keyword) {
    case 'required': {
      const { missingProperty } = params as { missingProperty: string };
      return {
        pointer: `${instancePath}/${missingProperty}`,
        code: 'required',
        message: `${missingProperty} is required.`,
      };
    }
    case 'additionalProperties': {
      const { additionalProperty } = params as { additionalProperty: string };
      return {
        pointer: `${instancePath}/${escapePointer(additionalProperty)}`,
        code: 'unknown_field',
        message: `${additionalProperty} is not known here.`,
      };
    }
    case 'amount': {
      const [code, text] = amountFault((input as UsageRequest).eventValue, 12, { signed: true }) ?? [
        'amount_invalid',
        'is no amount',
      ];
      return { pointer: instancePath, code, message: `${name} ${text}.` };
    }
    case 'instant':
      return {
        pointer: instancePath,
        code: 'instant_invalid',
        message: `${name} must be a time such as 2026-01-31T12:00:00Z.`,
      };
    default:
      return {
        pointer: instancePath,
        code: CODES[keyword] ?? 'type',
        message: `${name} ${message ?? 'is not acceptable'}.`,
      };
  }
}

const CODES: Readonly<Record<string, IssueCode>> = {
  maxLength: 'too_long',
  minLength: 'too_short',
  maxProperties: 'out_of_range',
};

/** The events of a batch, each read by itself. @throws Problem when the body as a whole is not acceptable */
export function readBatch(body: unknown): readonly (UsageRequest | Problem)[] {
  const events = (body as { events?: unknown } | null | undefined)?.events;
  const issues: Issue[] = [];
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    issues.push({ pointer: '', code: 'type', message: 'The body must be a JSON object.' });
  else {
    for (const name of Object.keys(body))
      if (name !== 'events')
        issues.push({
          pointer: `/${escapePointer(name)}`,
          code: 'unknown_field',
          message: `${name} is not known here.`,
        });
    if (events === undefined)
      issues.push({ pointer: '/events', code: 'required', message: 'events is required.' });
    else if (!Array.isArray(events))
      issues.push({ pointer: '/events', code: 'type', message: 'events must be a list.' });
    else if (events.length === 0 || events.length > MAX_BATCH)
      issues.push({
        pointer: '/events',
        code: 'out_of_range',
        message: `events must have 1 to ${MAX_BATCH} entries.`,
      });
  }
  if (issues.length > 0) throw refusal(issues);
  return (events as unknown[]).map(readUsage);
}
