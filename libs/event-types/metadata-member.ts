import type { RecordedEvent } from '#libs/event-store';
import { readInstant, type Instant } from '#libs/kernel';
import type { EventMetadata } from './metadata.js';

/** A member of an event's metadata: read off its text where there is one, so that who needs nothing else of it parses nothing. */
export function metadataMember(event: RecordedEvent, name: keyof EventMetadata): unknown {
  const { metadataText } = event;
  const found = metadataText === undefined ? undefined : memberIn(metadataText, name);
  return found ?? event.metadata[name];
}

/** When the event was recorded. */
export const recordedAtOf = (event: RecordedEvent): Instant =>
  readInstant(String(metadataMember(event, 'recordedAt')));

/**
 * A text without escapes, or a number, of an object's members on the outermost level; undefined where it is not plain to see.
 * @param text canonical JSON; inside of a string the quotes around the name would be escaped
 */
function memberIn(text: string, name: string): string | number | undefined {
  const at = text.indexOf(`"${name}":`);
  if (at < 0 || text.includes('{', 1)) return undefined;
  const from = at + name.length + 3;
  const isText = text[from] === '"';
  const to = text.indexOf(isText ? '"' : ',', from + 1);
  if (to < 0) return undefined;
  const value = text.slice(isText ? from + 1 : from, to);
  if (isText) return value.includes('\\') ? undefined : value;
  return Number.isFinite(Number(value)) ? Number(value) : undefined;
}
