import { parentPort, workerData } from 'node:worker_threads';
import pg from 'pg';
import { projectHere } from '#libs/read-models/projecting';
import { isAway, openEventStore } from '../event-store.js';
import type { Asked, Told, Where } from './thread.js';

/** The thread that projects. It ends when it is told to stop, or by an error. */
const { eventStore: where, databaseUrl } = workerData as Where;
const tell = (told: Told): void => parentPort!.postMessage(told);
const onError = (error: unknown): void =>
  tell({
    failed: error instanceof Error ? (error.stack ?? error.message) : String(error),
    isAway: isAway(error),
  });

let hear = (asked: Asked): unknown => asked === 'stop' && process.exit(); // the thread, not the process
parentPort!.on('message', (asked: Asked) => void hear(asked));

const pool = new pg.Pool({ connectionString: databaseUrl, max: 3, application_name: 'projector' });
pool.on('error', onError);
const eventStore = await openEventStore({ eventStore: where }, databaseUrl, { onError });
const projecting = projectHere({ eventStore, pool, onError })({
  advanced: (advanced) => tell({ advanced }),
  projecting: (is) => tell({ projecting: is }),
});
hear = (asked) => (asked === 'stop' ? stop() : projecting.waitedFor(asked.position, asked.timeoutMs));

async function stop(): Promise<void> {
  await projecting.stop();
  await eventStore.close();
  pool.off('error', onError).on('error', () => undefined); // connections end because we say so
  await pool.end();
  parentPort!.close();
}
