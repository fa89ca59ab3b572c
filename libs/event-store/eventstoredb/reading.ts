import {
  BACKWARDS,
  END,
  FORWARDS,
  type AllStreamRecordedEvent,
  type Position as LogPosition,
  type ResolvedEvent,
  type START,
  type StreamingRead,
} from '@eventstore/db-client';
import { EventStoreUnavailable, type Checkpoint, type RecordedEvent } from '../event-store.js';
import { hasType, isTransient } from './errors.js';
import type { Session } from './session.js';

export type { LogPosition };
export type Stored = AllStreamRecordedEvent;

/** Up to `limit` events of a stream from a revision on; none for a stream that does not exist. */
export async function readStreamPage(
  session: Session,
  stream: string,
  from: number,
  limit: number,
): Promise<readonly Stored[]> {
  const options = {
    direction: FORWARDS,
    fromRevision: BigInt(from),
    maxCount: limit,
    requiresLeader: true,
  } as const;
  try {
    return await collect(session, session.client.readStream(stream, options));
  } catch (error) {
    if (hasType(error, 'stream-not-found')) return [];
    throw error;
  }
}

/** Up to `limit` records of the whole log, the server's own included; forwards with the one at `from`, backwards without. */
export async function readAllPage(
  session: Session,
  from: LogPosition | typeof START | typeof END,
  limit: number,
  direction: typeof FORWARDS | typeof BACKWARDS,
): Promise<readonly Stored[]> {
  return collect(
    session,
    session.client.readAll({ direction, fromPosition: from, maxCount: limit, requiresLeader: true }),
  );
}

/** Position of the last record of the whole log, of whatever kind. */
export async function lastRecord(session: Session): Promise<bigint> {
  const [last] = await readAllPage(session, END, 1, BACKWARDS);
  return last?.position.commit ?? 0n;
}

function collect(session: Session, stream: StreamingRead<ResolvedEvent>): Promise<readonly Stored[]> {
  const events: Stored[] = [];
  return new Promise((resolve, reject) => {
    stream.on('data', ({ event }) => events.push(event as Stored));
    stream.on('error', reject);
    stream.on('end', () => {
      // a cancelled read ends as if it were complete
      if (session.lost.aborted)
        reject(new EventStoreUnavailable('the connection to EventStoreDB was given up'));
      else resolve(events);
    });
  });
}

/** What the port accepts as a stream's name; everything else in the log is not ours. */
const OWN_STREAM = /^[a-zA-Z]+-[^\s]+$/;

/** Whether the event can have come through the port: the log may lie in a store that others use as well. */
export const isOwn = ({ type, streamId }: Stored): boolean => type[0] !== '$' && OWN_STREAM.test(streamId);

/** @throws Error for an event in a stream of ours that the port cannot have written */
export function toRecorded({
  id,
  streamId,
  revision,
  position,
  type,
  data,
  metadata,
}: Stored): RecordedEvent {
  if (!isObject(data) || !isObject(metadata))
    throw new Error(`event ${revision} of ${streamId} was not written by this ledger`);
  return {
    id,
    stream: streamId,
    revision: Number(revision),
    position: position.commit,
    type,
    data,
    metadata,
  };
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);

/** Commit and prepare as the server gave them: it wants the pair back. Only commits are compared. */
export const toCheckpoint = ({ commit, prepare }: LogPosition): Checkpoint => `${commit}/${prepare}`;

/** @throws Error when it is none of this kind of log */
export function fromCheckpoint(checkpoint: Checkpoint | null): LogPosition | null {
  if (checkpoint === null) return null;
  const parts = /^(\d{1,18})\/(\d{1,18})$/.exec(checkpoint);
  const position = parts && { commit: BigInt(parts[1]!), prepare: BigInt(parts[2]!) };
  if (!position || position.commit < position.prepare) throw noCheckpoint(checkpoint);
  return position;
}

export const noCheckpoint = (checkpoint: Checkpoint, cause?: unknown): Error =>
  new Error(`${JSON.stringify(checkpoint)} is no checkpoint of this log`, { cause });

/** @throws Error when the log does not reach that far: a reader would wait for ever, or miss what comes instead */
export function assertReached(checkpoint: LogPosition, end: bigint): void {
  if (checkpoint.commit > end)
    throw new Error(
      `checkpoint ${toCheckpoint(checkpoint)} lies beyond the end of the log, ${end}: it belongs to another log`,
    );
}

/** The server's refusal of a position, in words of the port. */
export function readingFailed(checkpoint: LogPosition | null, error: unknown): unknown {
  return checkpoint !== null && isInvalidPosition(error)
    ? noCheckpoint(toCheckpoint(checkpoint), error)
    : error;
}

/** Whether the server says that no record begins at the position it was given. */
export const isInvalidPosition = (error: unknown): boolean =>
  !isTransient(error) && hasType(error, 'unknown');
