import { inBatches } from '#libs/kernel';
import { bigintArray, textArray } from './arrays.js';
import type { Database, Row } from './connection.js';

/** Events of one answer, where a stream is read alone. */
const PAGE = 1000;
/** The same where streams are read together: who has more is read on alone. */
const FIRST_PAGE = 100;
/** Streams of one statement. Nobody waits for others' answers, as long as there are connections to spare. */
const TOGETHER = { most: 100, atOnce: 4, worth: 1 };

/** Of a row, in this order. */
export const EVENT_COLUMNS = 'position, stream, revision, id, type, data, metadata';
const READ_STREAM = {
  name: 'event-store-read-stream',
  text: `select ${EVENT_COLUMNS} from event_store.events where stream = $1 and revision >= $2 order by revision limit ${PAGE}`,
};
const READ_STREAMS = {
  name: 'event-store-read-streams',
  text: `select e.*, wanted.n from unnest($1::text[], $2::bigint[]) with ordinality as wanted(stream, revision, n)
    cross join lateral (
      select ${EVENT_COLUMNS} from event_store.events
       where stream = wanted.stream and revision >= wanted.revision order by revision limit ${FIRST_PAGE}
    ) e order by wanted.n, e.revision`,
};
/** Where a row says for which stream, counted from 1, it was read. */
const N = 7;

interface Wanted {
  readonly stream: string;
  readonly from: number;
}

interface Page {
  readonly rows: readonly Row[];
  /** There may be more. */
  readonly full: boolean;
}

/**
 * Reads streams page by page. What is asked for in one turn of the event loop, such as the streams that waiting commands are
 * about, is one statement: that costs more than the few rows of most streams.
 */
export function createStreamReads(query: Database['query']) {
  const firstPage = inBatches(
    async (wanted: readonly Wanted[]): Promise<readonly Page[]> =>
      wanted.length === 1 ? [await readAlone(wanted[0]!)] : readTogether(wanted),
    TOGETHER,
  );

  async function readAlone({ stream, from }: Wanted): Promise<Page> {
    const rows = await query(READ_STREAM, [stream, from]);
    return { rows, full: rows.length === PAGE };
  }

  async function readTogether(wanted: readonly Wanted[]): Promise<readonly Page[]> {
    const rows = await query(READ_STREAMS, [
      textArray(wanted.map(({ stream }) => stream)),
      bigintArray(wanted.map(({ from }) => from)),
    ]);
    const pages = wanted.map((): Row[] => []);
    for (const row of rows) pages[Number(row[N]) - 1]!.push(row);
    return pages.map((page) => ({ rows: page, full: page.length === FIRST_PAGE }));
  }

  return async function* readPages(stream: string, from: number): AsyncGenerator<readonly Row[]> {
    let page = await firstPage({ stream, from });
    for (;;) {
      yield page.rows;
      if (!page.full) return;
      page = await readAlone({ stream, from: Number(page.rows.at(-1)![2]) + 1 });
    }
  };
}
