import type { Position, RecordedEvent } from '#libs/event-store';
import { recordedAtOf } from '#libs/event-types';
import { formatInstant, type Instant } from '#libs/kernel';
import type { KnownUntil } from '../balances/history.js';
import { inTransaction, transaction } from '../database.js';
import { run } from '../sink.js';
import { SHADOW } from '../table.js';
import { createFill } from './fill.js';
import { chosen, inShadow, type RebuildOptions } from './rebuild.js';
import { completeShadow, createShadow, digestsOf, type TableDigest } from './shadow.js';

/** Up to where: a position, or everything recorded at or before a time. */
export type AsOf = NonNullable<KnownUntil>;

/** The log does not reach that far, or the time has not come yet: what stands there may still change. */
export class NotInTheLog extends Error {
  override readonly name = 'NotInTheLog';
}

export interface AsOfOptions extends RebuildOptions {
  readonly to: AsOf;
  /** The time it is: no later `to` is answered, unless something was recorded after it. */
  readonly now: Instant;
}

export interface AsOfResult {
  /** Holds tables like the live ones, under the same names. */
  readonly schema: string;
  /** Of the last event that is in; 0 when there is none. */
  readonly position: Position;
  /** Events that are in. */
  readonly events: number;
  /** Events before `position` that were recorded later than the time: clocks of several processes interleave. */
  readonly leftOut: number;
  readonly seconds: number;
  readonly tables: readonly TableDigest[];
}

/** The schema that shows the log as of then: `read_models_at_1234`, `read_models_at_20260131t235959999z`. */
export const asOfSchema = (to: AsOf): string =>
  `read_models_at_${'position' in to ? to.position : formatInstant(to.recordedAt).toLowerCase().replaceAll(/[-:.]/g, '')}`;

/**
 * Builds read models as of a position or a time into a schema of their own, beside the live ones, which are not touched. One
 * that stands there under the same name is replaced in one moment, when the new one is complete.
 * A time takes from each stream what was recorded at or before it, as balances as of a time do. Clocks of processes and of
 * test environments differ, so the whole log is read for it.
 * @throws NotInTheLog; RebuildRunning; ProjectionFailed for an event that the code cannot fold; what the signal was aborted with
 */
export async function rebuildAsOf(options: AsOfOptions): Promise<AsOfResult> {
  const { eventStore, to, now, onProgress, signal, batchSize = 5000 } = options;
  const projections = chosen(options);
  const tables = projections.flatMap((projection) => projection.tables);
  const schema = asOfSchema(to);
  const end = await eventStore.head();
  if ('position' in to && to.position > end)
    throw new NotInTheLog(`The log ends at position ${end}; there is no position ${to.position} yet.`);
  const upTo = 'position' in to ? to.position : end;
  const known = createChoice(to, upTo);
  return inShadow(options.pool, async (client) => {
    await createShadow(client, projections);
    const fill = createFill({
      eventStore: { ...eventStore, head: () => Promise.resolve(upTo) },
      clients: [client],
      schema: SHADOW,
      projections,
      choose: known.choose,
      onProgress,
      signal,
      batchSize,
    });
    await fill.advance(new Map(projections.map(({ name }) => [name, upTo])));
    const { position, events, leftOut, latest } = known.chosen();
    if ('recordedAt' in to && to.recordedAt > Math.max(now, latest))
      throw new NotInTheLog(`${formatInstant(to.recordedAt)} has not come yet.`);
    signal?.throwIfAborted();
    await completeShadow([client], projections);
    signal?.throwIfAborted();
    const digests = await digestsOf(client, SHADOW, tables);
    const until = 'position' in to ? `position ${upTo}` : formatInstant(to.recordedAt);
    await transaction(client, async () => {
      await run(client, `drop schema if exists ${schema} cascade`);
      await run(client, `alter schema ${SHADOW} rename to ${schema}`);
      await run(
        client,
        `comment on schema ${schema} is 'log ${eventStore.identity.replaceAll("'", "''")} as of ${until}: ${events} events, the last at position ${position}'`,
      );
    });
    await fill.progress.read(0, upTo, true);
    return { schema, position, events, leftOut, seconds: fill.progress.seconds(), tables: digests };
  });
}

/** Removes what `rebuildAsOf` built. @returns whether there was anything */
export const dropAsOf = (pool: RebuildOptions['pool'], to: AsOf): Promise<boolean> =>
  inTransaction(pool, async (client) => {
    const { rows } = await run<{ there: boolean }>(
      client,
      'select to_regnamespace($1) is not null as there',
      [asOfSchema(to)],
    );
    if (rows[0]!.there) await run(client, `drop schema ${asOfSchema(to)} cascade`);
    return rows[0]!.there;
  });

/** Chooses the events that were known then, and counts. */
function createChoice(to: AsOf, upTo: Position) {
  let position = 0n;
  let events = 0;
  let leftOut = 0;
  let later = 0;
  let latest = -Infinity;

  function isKnown(event: RecordedEvent): boolean {
    if (event.position > upTo) return false;
    if ('recordedAt' in to) {
      const recordedAt = recordedAtOf(event);
      latest = Math.max(latest, recordedAt);
      if (recordedAt > to.recordedAt) {
        later++;
        return false;
      }
    }
    leftOut += later;
    later = 0;
    position = event.position;
    events++;
    return true;
  }

  return {
    choose: (slice: readonly RecordedEvent[]) => slice.filter(isKnown),
    chosen: () => ({ position, events, leftOut, latest }),
  };
}
