import { ANY, BACKWARDS, END, NO_STREAM, type ReadStreamOptions } from '@eventstore/db-client';
import {
  append,
  caught,
  collect,
  describeError,
  ending,
  event,
  revisions,
  roundTrips,
  type Asking,
} from './asking.js';

/** @returns the name of a stream of ten events, for those who ask about subscriptions */
export async function askAboutReading(asking: Asking): Promise<string> {
  const { ask, client, stream } = asking;
  const put = append.bind(null, asking);
  const ten = stream('read');
  await put(
    ten,
    Array.from({ length: 10 }, (_, i) => event('T', { i })),
    NO_STREAM,
  );
  const read = (options: ReadStreamOptions): Promise<unknown> =>
    caught(collect(client.readStream(ten, options)).then(revisions));
  const backwards = { direction: BACKWARDS } as const;

  await ask('read.forwards', () => read({}));
  await ask('read.backwards_from_end', () => read({ ...backwards, fromRevision: END }));
  await ask('read.backwards_default_from', () => read(backwards));
  await ask('read.forwards_from_3', () => read({ fromRevision: 3n }));
  await ask('read.backwards_from_3', () => read({ ...backwards, fromRevision: 3n }));
  await ask('read.forwards_from_last', () => read({ fromRevision: 9n }));
  await ask('read.forwards_from_beyond', () => read({ fromRevision: 10n }));
  await ask('read.forwards_from_far_beyond', () => read({ fromRevision: 1000n }));
  await ask('read.forwards_from_end', () => read({ fromRevision: END }));
  await ask('read.backwards_from_beyond', () => read({ ...backwards, fromRevision: 1000n }));
  await ask('read.max_1', () => read({ maxCount: 1 }));
  await ask('read.max_0', () => read({ maxCount: 0 }));
  await ask('read.max_3_from_5', () => read({ maxCount: 3, fromRevision: 5n }));
  await ask('read.last_event', () => read({ ...backwards, fromRevision: END, maxCount: 1 }));
  await ask('read.revision_huge', () => read({ fromRevision: 9_223_372_036_854_775_807n }));
  await ask('read.revision_over_int64', () => read({ fromRevision: 9_223_372_036_854_775_808n }));
  await ask('read.negative_revision', async () => {
    try {
      client.readStream(ten, { fromRevision: -1n });
      return 'no throw';
    } catch (error) {
      return describeError(error);
    }
  });
  await ask('read.missing', () => caught(collect(client.readStream(stream('missing')))));
  await ask('read.missing_backwards', () =>
    caught(collect(client.readStream(stream('missing'), { ...backwards, fromRevision: END, maxCount: 1 }))),
  );
  await ask('read.missing_events_api', async () => {
    const seen: string[] = [];
    const reading: any = client.readStream(stream('missing'));
    for (const signal of ['end', 'close', 'data', 'finish']) reading.on(signal, () => seen.push(signal));
    await new Promise<void>((resolve) =>
      reading.on('error', (error: Error) => {
        seen.push(`error:${error.constructor.name}`);
        resolve();
      }),
    );
    await roundTrips(asking);
    return seen;
  });
  await ask('read.events_api', async () => {
    const seen: string[] = [];
    const reading: any = client.readStream(ten, { maxCount: 2 });
    for (const signal of ['error', 'end', 'data', 'finish', 'confirmation'])
      reading.on(signal, () => seen.push(signal));
    await new Promise<void>((resolve) => reading.on('close', () => resolve(void seen.push('close'))));
    return seen;
  });
  await ask('read.break_early', async () => {
    for await (const one of client.readStream(ten)) if (one.event?.revision === 2n) break;
    return ending(put(stream(), event(), ANY));
  });
  await ask(
    'read.own_write_immediately',
    async () => {
      let misses = 0;
      for (let i = 0; i < 200; i++) {
        const name = stream();
        await put(name, event(), NO_STREAM);
        const { ok } = await caught(collect(client.readStream(name)));
        if (ok?.length !== 1) misses++;
      }
      return { misses };
    },
    30_000,
  );
  await ask(
    'read.all_contains_own_write_immediately',
    async () => {
      let misses = 0;
      for (let i = 0; i < 100; i++) {
        const name = stream();
        await put(name, event(), NO_STREAM);
        const [last] = await collect(client.readAll({ ...backwards, fromPosition: END, maxCount: 1 }));
        if (last?.event?.streamId !== name) misses++;
      }
      return { misses };
    },
    30_000,
  );
  return ten;
}

/** @returns the events of a stream of three, for those who ask about subscriptions */
export async function askAboutTheWholeLog(asking: Asking): Promise<readonly any[]> {
  const { ask, client, stream } = asking;
  const name = stream('all');
  const result = await append(
    asking,
    name,
    [0, 1, 2].map((i) => event('T', { i })),
    NO_STREAM,
  );
  const three = await collect(client.readStream(name));
  const at = three.map((one) => one.event.position);
  const brief = (read: readonly any[]): unknown =>
    read.map((one) => [one.event.streamId === name, one.event.revision]);
  const made = (by: bigint) => ({ commit: at[1].commit + by, prepare: at[1].prepare + by });
  const backwards = { direction: BACKWARDS } as const;

  await ask('all.forwards_from_event_position', async () =>
    brief(await collect(client.readAll({ fromPosition: at[1], maxCount: 2 }))),
  );
  await ask('all.backwards_from_event_position', async () =>
    brief(await collect(client.readAll({ ...backwards, fromPosition: at[2], maxCount: 2 }))),
  );
  await ask('all.backwards_from_end', async () =>
    (await collect(client.readAll({ ...backwards, fromPosition: END, maxCount: 1 }))).map((one) => [
      one.event.streamId === name,
      one.event.revision,
      Object.keys(one as object).join(),
    ]),
  );
  await ask(
    'all.forwards_from_end',
    async () => (await collect(client.readAll({ fromPosition: END, maxCount: 5 }))).length,
  );
  await ask('all.read_from_made_up_position', () =>
    caught(collect(client.readAll({ fromPosition: made(1n), maxCount: 2 })).then(brief)),
  );
  const count = (read: readonly unknown[]): number => read.length;
  const far = 1n << 50n;
  await ask('all.read_far_beyond_end', () =>
    caught(collect(client.readAll({ fromPosition: { commit: far, prepare: far }, maxCount: 2 })).then(count)),
  );
  await ask('all.commit_lt_prepare', () =>
    caught(collect(client.readAll({ fromPosition: { commit: 5n, prepare: 10n }, maxCount: 2 })).then(count)),
  );
  await ask('all.positions', async () => {
    const read = await collect(client.readAll({ maxCount: 4000 }));
    const positions = read.map((one) => one.event.position);
    const pairs = positions.slice(1).map((position, i) => [positions[i], position]);
    return {
      strictlyIncreasing: pairs.every(([before, after]) => after.commit > before.commit),
      commitEqualsPrepare: positions.every(({ commit, prepare }) => commit === prepare),
      gapless: pairs.every(([before, after]) => after.commit === before.commit + 1n),
      systemEventsIncluded: read.some((one) => one.event.type.startsWith('$')),
      commitPositionField: read.every((one) => one.commitPosition === one.event.position.commit),
    };
  });
  await ask('all.append_result_position', async () => ({
    isLast: result.position?.commit === at[2].commit,
    distinctInBatch: new Set(at.map(({ commit }) => commit)).size,
  }));
  return three;
}
