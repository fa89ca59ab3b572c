import {
  ANY,
  END,
  eventTypeFilter,
  excludeSystemEvents,
  NO_STREAM,
  START,
  streamNameFilter,
  type AllStreamSubscription,
  type Position,
} from '@eventstore/db-client';
import { until } from '../../wait.js';
import {
  append,
  caught,
  caughtUp,
  collect,
  event,
  events,
  revisions,
  watch,
  within,
  type Asking,
} from './asking.js';

/** Subscriptions to the whole log. `three` are the events of one stream. */
export async function askAboutSubscribingToAll(asking: Asking, three: readonly any[]): Promise<void> {
  const { ask, client, stream, run } = asking;
  const put = append.bind(null, asking);
  const [first, second] = three.map((one) => one.event);
  const brief = (read: readonly any[]): unknown =>
    read.map((one) => [one.event.streamId === first.streamId, one.event.revision]);

  await ask('sub.all.exclude_system.from_position_exclusive', async () => {
    const watched = await watch(
      () => client.subscribeToAll({ fromPosition: first.position, filter: excludeSystemEvents() }),
      (received, log) => log.includes('caughtUp') && received.length >= 2,
    );
    const answer = {
      log: watched.log.slice(),
      got: brief(watched.events.slice(0, 2)),
      keys: Object.keys(watched.events[0] ?? {}).join(),
    };
    await watched.end();
    return { ...answer, after: watched.log };
  });
  await ask('sub.all.from_checkpoint_made_up_position', async () => {
    const { commit, prepare } = second.position;
    const fromPosition = { commit: commit + 1n, prepare: prepare + 1n };
    const watched = await watch(
      () => client.subscribeToAll({ fromPosition, filter: excludeSystemEvents() }),
      (received, log) => received.length > 0 || log.length >= 2,
      2000,
    );
    await watched.subscription.unsubscribe();
    return { log: watched.log, got: brief(watched.events.slice(0, 1)) };
  });
  await ask('sub.all.no_filter_from_end', async () => {
    const watched = await watch(() => client.subscribeToAll({ fromPosition: END }), caughtUp, 1500);
    const name = stream();
    await put(name, events(2), NO_STREAM);
    await until(() => watched.events.length >= 2);
    await watched.end();
    const got = watched.events.map((one) => [
      one.event.streamId === name,
      one.event.revision,
      one.event.type,
    ]);
    return { log: watched.log, got };
  });

  /** What a filter lets through from the start of the log to its end. */
  async function filtered(filter: Parameters<typeof client.subscribeToAll>[0]): Promise<unknown> {
    const watched = await watch(() => client.subscribeToAll({ fromPosition: START, ...filter }), caughtUp);
    await watched.end();
    return { log: watched.log, got: revisions(watched.events) };
  }
  await ask('sub.all.event_type_prefix', async () => {
    const types = [`ZapA${run}`, 'Other', `ZapB${run}`, `ZapA${run}`];
    await put(
      stream(),
      types.map((type) => event(type)),
      NO_STREAM,
    );
    return filtered({ filter: eventTypeFilter({ prefixes: [`ZapA${run}`, `ZapB${run}`] }) });
  });
  await ask('sub.all.stream_prefix', async () => {
    const name = stream(`pre_${run}`);
    await put(name, events(2), NO_STREAM);
    await put(stream('nopre'), event(), NO_STREAM);
    return filtered({ filter: streamNameFilter({ prefixes: [name] }) });
  });
  await ask('sub.all.regex', async () => {
    await put(stream(`rx_${run}`), events(2), NO_STREAM);
    return filtered({ filter: streamNameFilter({ regex: `^0rx_${run}.*$` }) });
  });
  await ask('sub.all.regex_invalid', async () => {
    const watched = await watch(
      () => client.subscribeToAll({ fromPosition: END, filter: streamNameFilter({ regex: '(' }) }),
      (_, log) => log.length > 0,
      2000,
    );
    void watched.subscription.unsubscribe();
    return { log: watched.log, n: watched.events.length };
  });
  await ask('sub.all.live_order_and_no_loss', async () => {
    const name = stream();
    const filter = streamNameFilter({ prefixes: [name] });
    const watched = await watch(() => client.subscribeToAll({ fromPosition: END, filter }), caughtUp, 1500);
    for (let i = 0; i < 200; i++) void put(name, event('T', { i }), ANY);
    await until(() => watched.events.length >= 200);
    await watched.subscription.unsubscribe();
    const ordered = watched.events.every((one, i) => one.event.data.i === i);
    return { n: watched.events.length, ordered, log: watched.log.slice(0, 3) };
  });
  await askAboutCheckpoints(asking);
}

async function askAboutCheckpoints(asking: Asking): Promise<void> {
  const { ask, client, stream, run } = asking;
  const put = append.bind(null, asking);
  const name = stream('win');
  const types = Array.from({ length: 1000 }, (_, i) => (i % 100 === 0 ? `Rare${run}` : 'Common'));
  await put(
    name,
    types.map((type, i) => event(type, { i })),
    NO_STREAM,
  );
  const thousand = (await collect(client.readStream(name))).map((one) => one.event);
  const rare = `Rare${run}`;
  const isRare = (one: any): boolean => one.type === rare;

  await ask(
    'sub.all.checkpoints',
    async () => {
      const known = new Set(thousand.map((one) => one.position.commit));
      const answers: Record<string, unknown> = {};
      for (const [maxSearchWindow, checkpointInterval] of [
        [undefined, 1],
        [32, 1],
        [32, 4],
        [100, 1],
        [1000, 1],
        [1, 1],
      ] as const) {
        const reached: Position[] = [];
        const filter = eventTypeFilter({
          prefixes: [rare],
          ...(maxSearchWindow === undefined ? {} : { maxSearchWindow }),
          checkpointInterval,
          checkpointReached: async (_, position) => void reached.push(position),
        });
        const watched = await watch(
          () => client.subscribeToAll({ fromPosition: thousand[0].position, filter }),
          (received, log) => log.includes('caughtUp') && received.length >= 9,
          3000,
        );
        await watched.end();
        answers[`window=${maxSearchWindow} interval=${checkpointInterval}`] = {
          events: watched.events.length,
          checkpoints: reached.length > 20 ? '>20' : reached.length,
          exact: reached.length,
          inc: reached.every(({ commit }, i) => i === 0 || commit >= reached[i - 1]!.commit),
          atEventPosition: reached.filter(({ commit }) => known.has(commit)).length,
          commitEqPrepare: reached.every(({ commit, prepare }) => commit === prepare),
        };
      }
      return answers;
    },
    30_000,
  );
  await ask('sub.all.checkpoint_before_its_events', async () => {
    let [bad, all] = [0, 0];
    const seen: bigint[] = [];
    const filter = eventTypeFilter({
      prefixes: [rare, 'Common'],
      maxSearchWindow: 32,
      checkpointReached: async (_, { commit }) => {
        all++;
        if (seen.length > 0 && commit < seen.at(-1)!) bad++;
      },
    });
    const begin = (): AllStreamSubscription => {
      const subscription = client.subscribeToAll({ fromPosition: START, filter });
      subscription.on('data', (one: any) => seen.push(one.event.position.commit));
      return subscription;
    };
    await (await watch(begin, caughtUp)).end();
    return { checkpointsSmallerThanLastDelivered: bad, some: all > 0 };
  });
  await ask('sub.all.resume_from_checkpoint', async () => {
    let checkpoint: Position | undefined;
    const before = eventTypeFilter({
      prefixes: [rare],
      maxSearchWindow: 100,
      checkpointReached: async (_, position) => void (checkpoint ??= position),
    });
    const first = await watch(
      () => client.subscribeToAll({ fromPosition: thousand[0].position, filter: before }),
      () => checkpoint !== undefined,
      3000,
    );
    await first.end();
    const reached = checkpoint!;
    const passed = thousand.filter((one) => isRare(one) && one.position.commit <= reached.commit).length - 1;
    const filter = eventTypeFilter({ prefixes: [rare] });
    const second = await watch(
      () => client.subscribeToAll({ fromPosition: reached, filter }),
      caughtUp,
      3000,
    );
    await second.end();
    return { total: passed + second.events.length };
  });
  await ask(
    'sub.all.idle_checkpoints_while_live',
    async () => {
      const reached: bigint[] = [];
      const filter = eventTypeFilter({
        prefixes: [`Nothing${run}`],
        maxSearchWindow: 32,
        checkpointReached: async (_, { commit }) => void reached.push(commit),
      });
      const watched = await watch(() => client.subscribeToAll({ fromPosition: END, filter }), caughtUp, 1500);
      const atStart = reached.length;
      for (let i = 0; i < 200; i++) await put(stream(), event(), NO_STREAM);
      await until(() => reached.length >= atStart + 6);
      await watched.end();
      return { atStart, after200Others: reached.length - atStart, evs: watched.events.length };
    },
    15_000,
  );
}

/** Subscriptions to one stream; `ten` is one of ten events. */
export async function askAboutSubscribingToStreams(asking: Asking, ten: string): Promise<void> {
  const { ask, client, stream } = asking;
  const put = append.bind(null, asking);

  await ask('sub.stream.from_start', async () => {
    const watched = await watch(() => client.subscribeToStream(ten), caughtUp);
    await put(ten, event(), ANY);
    await until(() => watched.events.length >= 11);
    await watched.end();
    const keys = Object.keys(watched.events[0] as object).join();
    return { log: watched.log, got: revisions(watched.events), keys };
  });
  await ask('sub.stream.from_revision_exclusive', async () => {
    const watched = await watch(() => client.subscribeToStream(ten, { fromRevision: 7n }), caughtUp);
    await watched.end();
    return { log: watched.log, got: revisions(watched.events) };
  });
  await ask('sub.stream.from_end', async () => {
    const watched = await watch(() => client.subscribeToStream(ten, { fromRevision: END }), caughtUp, 1500);
    await put(ten, event(), ANY);
    await until(() => watched.events.length >= 1);
    await watched.end();
    return { log: watched.log, n: watched.events.length };
  });
  await ask('sub.stream.missing', async () => {
    const name = stream();
    const watched = await watch(() => client.subscribeToStream(name), caughtUp, 1500);
    await put(name, events(2), NO_STREAM);
    await until(() => watched.events.length >= 2);
    await watched.end();
    return { log: watched.log, got: revisions(watched.events) };
  });
  await ask('sub.stream.beyond_end', async () => {
    const name = stream();
    await put(name, event(), NO_STREAM);
    const watched = await watch(() => client.subscribeToStream(name, { fromRevision: 5n }), caughtUp, 1500);
    await put(name, events(8), ANY);
    await until(() => watched.events.length >= 3);
    await watched.end();
    return { log: watched.log, got: revisions(watched.events) };
  });
  await ask('sub.unsubscribe.for_await', async () => {
    const subscription = client.subscribeToStream(ten);
    let count = 0;
    const loop = async (): Promise<string> => {
      for await (const _ of subscription) {
        if (++count !== 3) continue;
        // the rest has arrived, else it would be chance how much comes after the farewell
        await until(() => subscription.readableLength >= 9).catch(() => undefined);
        await subscription.unsubscribe();
      }
      return 'loop ended';
    };
    return [await within(caught(loop()), 2000), count];
  });
  await ask('sub.break_for_await_then_destroyed', async () => {
    const subscription = client.subscribeToStream(ten);
    for await (const _ of subscription) break;
    await until(() => subscription.destroyed).catch(() => undefined);
    return { destroyed: subscription.destroyed };
  });
}
