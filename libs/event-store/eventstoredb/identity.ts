import { END, jsonEvent, NO_STREAM } from '@eventstore/db-client';
import { hasType } from './errors.js';
import { readStreamPage } from './reading.js';
import type { Session } from './session.js';

const STREAM = 'drawdown-identity';

/**
 * The log's name: the id of an event of its own that its first user appends. Its type begins with `$`, as those of the
 * server's own records do, so that no reader of the log is given it.
 * @param candidate id of that event if there is none yet; without it, such a log has no name
 */
export async function identify(session: Session, candidate: string | undefined): Promise<string> {
  for (;;) {
    const [first] = await readStreamPage(session, STREAM, 0, 1);
    if (first) {
      if (first.revision !== 0n) throw new Error(`${STREAM} has lost its first event`);
      return `eventstoredb:${first.id}`;
    }
    if (candidate === undefined) return 'one without a name';
    const event = jsonEvent({ id: candidate, type: '$drawdown-identity', data: {} });
    try {
      await session.client.appendToStream(STREAM, event, {
        expectedRevision: NO_STREAM,
        requiresLeader: true,
      });
    } catch (error) {
      // somebody else was first: his is the name
      if (!hasType(error, 'wrong-expected-version')) throw error;
    }
  }
}

/**
 * Tells once its connection is lost. Left to itself the client would connect anew without a word, and nobody would look
 * whether it is the same log.
 */
export function watchOver(session: Session, lost: (error: unknown) => void): void {
  const watch = session.client.subscribeToStream(STREAM, { fromRevision: END, requiresLeader: true });
  watch.on('data', () => {});
  watch.on('error', lost);
  watch.on('close', () => lost(new Error('the connection was closed')));
}
