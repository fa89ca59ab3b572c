import { EventStoreUnavailable } from '../event-store.js';

/** The client's errors come in many classes and as plain ones: what they carry tells them apart. */
interface Carried {
  readonly type?: unknown;
  readonly code?: unknown;
}

const TRANSIENT_TYPES = new Set<unknown>([
  'unavailable',
  'deadline-exceeded',
  'cancelled',
  'timeout',
  'not-leader',
]);
const CANCELLED = 1;
const UNAVAILABLE = 14;
/** Said by a server that starts or stops, by a connection that was cut, and by a cluster without a leader. */
const TRANSIENT_MESSAGES = /Server Is (Not Ready|Busy)|RST_STREAM|Failed to discover/;

/** Whether the outcome is unknown or trying again later may help: then nothing is wrong with the request. */
export function isTransient(error: unknown): boolean {
  if (error instanceof EventStoreUnavailable) return true;
  if (!(error instanceof Error)) return false;
  const { type, code } = error as Carried;
  if (TRANSIENT_TYPES.has(type) || code === UNAVAILABLE) return true;
  if (type === 'unknown' && code === CANCELLED) return true;
  return TRANSIENT_MESSAGES.test(error.message);
}

export const hasType = (error: unknown, type: string): boolean =>
  error instanceof Error && (error as Carried).type === type;

export const unavailable = (error: unknown): EventStoreUnavailable =>
  error instanceof EventStoreUnavailable
    ? error
    : new EventStoreUnavailable(`EventStoreDB: ${messageOf(error)}`, { cause: error });

/** The server's answer to something that is wrong in itself, with what was asked. */
export const refused = (what: string, error: unknown): Error =>
  new Error(`EventStoreDB refused ${what}: ${messageOf(error)}`, { cause: error });

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { type } = error as Carried;
  return error.message || (typeof type === 'string' ? type : error.name);
}
