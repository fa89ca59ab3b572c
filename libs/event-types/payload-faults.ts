import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import type { RecordedEvent } from '#libs/event-store';
import { EVENT_TYPES } from './event-types.js';
import type { Schema } from './schema.js';
import { SCHEMAS } from './schemas/index.js';

const ajv = new Ajv({ allErrors: true, allowUnionTypes: true });

/** Made when the first event of its kind is met. */
const validators = new Map<Schema, ValidateFunction>();

/**
 * What is wrong with a payload by the schema of the version it was stored with; nothing when all is right.
 * An unknown type or version of one of our categories is one fault. Streams of others are passed over.
 */
export function payloadFaults({ stream, type, data, metadata }: RecordedEvent): readonly string[] {
  const category = stream.slice(0, stream.indexOf('-'));
  if (!EVENT_TYPES.has(category)) return [];
  const { schemaVersion: version } = metadata;
  const schema = typeof version === 'number' ? SCHEMAS.get(`${category}/${type}.v${version}`) : undefined;
  if (schema === undefined) return [`unknown event: ${type}, version ${JSON.stringify(version) ?? 'none'}`];
  let validate = validators.get(schema);
  if (validate === undefined) validators.set(schema, (validate = ajv.compile(schema)));
  return validate(data) ? [] : (validate.errors ?? []).map(faultOf);
}

const faultOf = ({ instancePath, message, params }: ErrorObject): string => {
  const extra = params['additionalProperty'] as string | undefined;
  return `payload${instancePath} ${message ?? 'is not acceptable'}${extra === undefined ? '' : ` (${extra})`}`;
};
