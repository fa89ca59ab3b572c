import {
  NO_STREAM as NO_STREAM_YET,
  type AppendResult as ClientResult,
  type EventData,
  type WrongExpectedVersionError,
} from '@eventstore/db-client';
import {
  NO_STREAM,
  type AppendBatch,
  type AppendResult,
  type NewEvent,
  type Position,
} from '../event-store.js';
import type { Connection } from './connection.js';
import { hasType, isTransient, refused } from './errors.js';
import { createLimiter } from './limiter.js';
import { readStreamPage } from './reading.js';

/**
 * Appends under way at once. The client's stream takes 16 messages before it makes the next ones wait, and those that
 * wait when a connection breaks end the process with an unhandled rejection: so there are never as many.
 */
const MAX_APPENDS = 15;
/** Events under way at once: more only make the client's thread the bottleneck. */
const MAX_EVENTS = 1600;
const MAX_READS = 16;
/** The server takes the deadline as a time of its own clock and cuts it to its write timeout: never too early, then. */
const DEADLINE_MS = 24 * 60 * 60 * 1000;
const NIL = '00000000-0000-0000-0000-000000000000';

/** A batch in the client's form, checked to the end: what the client cannot serialise would end the process. */
export interface Prepared extends AppendBatch {
  readonly proposed: readonly EventData[];
}

/** @throws SyntaxError, Error: a programming error */
export const prepare = (batch: AppendBatch): Prepared => ({ ...batch, proposed: batch.events.map(proposed) });

/**
 * Data goes as a JSON event, so that the server's own tools can read it. The client writes the text anew: canonical JSON
 * comes out as it went in, but for members whose names are integers, which move to the front; the hash chain is computed
 * over values and does not mind. Metadata goes to the byte.
 */
function proposed({ id, type, data, metadata }: NewEvent): EventData {
  if (id === NIL) throw new Error(`bad event id ${id}`);
  JSON.parse(metadata);
  return {
    id,
    type,
    contentType: 'application/json',
    data: JSON.parse(data) as Record<string, unknown>,
    metadata: new TextEncoder().encode(metadata),
  };
}

export interface Appender {
  /** @param deadline by `performance.now()` */
  append(batch: Prepared, deadline: number): Promise<AppendResult>;
}

/** Appends one batch at a time; those of one process share the bounds. */
export function createAppender(connection: Connection): Appender {
  const appends = createLimiter(MAX_APPENDS, MAX_EVENTS);
  const reads = createLimiter(MAX_READS, MAX_EVENTS);

  const send = ({ stream, expectedRevision, proposed }: Prepared, deadline: number): Promise<ClientResult> =>
    appends.run(proposed.length, deadline, () =>
      connection.run(deadline, ({ client }) =>
        client.appendToStream(stream, [...proposed], {
          // always explicit: then sending again is recognised for ever, by what stands in the stream itself
          expectedRevision: expectedRevision === NO_STREAM ? NO_STREAM_YET : BigInt(expectedRevision),
          deadline: DEADLINE_MS,
          requiresLeader: true,
        }),
      ),
    );

  /** The answer has the position of the last event only. */
  async function positionsOf(
    { stream, expectedRevision, events }: Prepared,
    last: Position | undefined,
    deadline: number,
  ): Promise<readonly Position[]> {
    if (events.length === 1 && last !== undefined) return [last];
    const stored = await reads.run(events.length, deadline, () =>
      connection.run(deadline, (session) =>
        readStreamPage(session, stream, expectedRevision + 1, events.length),
      ),
    );
    if (stored.length !== events.length || stored.some(({ id }, i) => id !== events[i]!.id))
      throw new Error(`${stream} does not hold what was appended behind revision ${expectedRevision}`);
    return stored.map(({ position }) => position.commit);
  }

  return {
    append: async (batch, deadline) => {
      const { stream, expectedRevision, events } = batch;
      try {
        const { position } = await send(batch, deadline);
        const positions = await positionsOf(batch, position?.commit, deadline);
        return { outcome: 'appended', revision: expectedRevision + events.length, positions };
      } catch (error) {
        if (hasType(error, 'wrong-expected-version')) {
          const { actualVersion } = error as WrongExpectedVersionError;
          const currentRevision = typeof actualVersion === 'bigint' ? Number(actualVersion) : NO_STREAM;
          return { outcome: 'conflict', currentRevision };
        }
        throw isTransient(error) ? error : refused(`the append to ${stream}`, error);
      }
    },
  };
}
