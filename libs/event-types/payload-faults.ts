import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import type { RecordedEvent } from '#libs/event-store';
import { EVENT_TYPES } from './event-types.js';
import { SCHEMAS } from './schemas/index.js';

const ajv = new Ajv({ allErrors: true, allowUnionTypes: true });

/** Made when the first event of its kind is met; null where there is no schema. */
const validators = new Map<string, ValidateFunction | null>();

/**
 * What is wrong with a payload by the schema of the version it was stored with; nothing when all is right.
 * An unknown type or version of one of our categories is one fault. Streams of others are passed over.
 */
export function payloadFaults({ stream, type, data, metadata }: RecordedEvent): readonly string[] {
  const category = stream.slice(0, stream.indexOf('-'));
  if (!EVENT_TYPES.has(category)) return [];
  const name = `${category}/${type}.v${String(metadata['schemaVersion'])}`;
  let validate = validators.get(name);
  if (validate === undefined) {
    const schema = SCHEMAS.get(name);
    validate = schema === undefined ? null : ajv.compile(schema);
    validators.set(name, validate);
  }
  if (validate === null) return [`unknown event: version ${String(metadata['schemaVersion'])} of ${type}`];
  return validate(data) ? [] : (validate.errors ?? []).map(faultOf);
}

const faultOf = ({ instancePath, message, params }: ErrorObject): string => {
  const extra = params['additionalProperty'] as string | undefined;
  return `payload${instancePath} ${message ?? 'is not acceptable'}${extra === undefined ? '' : ` (${extra})`}`;
};
