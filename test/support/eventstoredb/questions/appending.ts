import { ANY, NO_STREAM, STREAM_EXISTS } from '@eventstore/db-client';
import generated from '@eventstore/db-client/generated/streams_grpc_pb.js';
import { randomUUID } from 'node:crypto';
import {
  append,
  caught,
  collect,
  ending,
  event,
  events,
  PER_CALL_CREDENTIALS,
  shape,
  type Asking,
} from './asking.js';

export async function askAboutAppending(asking: Asking): Promise<void> {
  const { ask, client, stream, calls } = asking;
  const put = append.bind(null, asking);
  const count = async (of: string): Promise<number> => (await collect(client.readStream(of))).length;
  const standing = async (size: number): Promise<string> => {
    const name = stream();
    await put(name, events(size), NO_STREAM);
    return name;
  };

  await ask('append.no_stream.new', () => ending(put(stream(), event(), NO_STREAM)));
  await ask('append.no_stream.exists', async () => ending(put(await standing(2), event(), NO_STREAM)));
  await ask('append.default_option_is_any', async () => {
    const name = stream();
    return [await ending(put(name, event())), await ending(put(name, event()))];
  });
  await ask('append.any.new_then_again', async () => {
    const name = stream();
    return [await ending(put(name, event(), ANY)), await ending(put(name, event(), ANY))];
  });
  await ask('append.stream_exists.missing', () => ending(put(stream(), event(), STREAM_EXISTS)));
  await ask('append.stream_exists.present', async () =>
    ending(put(await standing(1), event(), STREAM_EXISTS)),
  );
  await ask('append.revision.right', async () => ending(put(await standing(1), event(), 0n)));
  await ask('append.revision.too_high', async () => ending(put(await standing(2), event(), 5n)));
  await ask('append.revision.too_low', async () => ending(put(await standing(2), event(), 0n)));
  await ask('append.revision.0_on_missing', () => ending(put(stream(), event(), 0n)));
  await ask('append.revision.number_type', async () => ending(put(await standing(1), event(), 0)));
  await ask('append.revision.max_uint64', async () =>
    ending(put(await standing(1), event(), 18_446_744_073_709_551_615n)),
  );
  await ask('append.revision.max_int64', async () =>
    ending(put(await standing(1), event(), 9_223_372_036_854_775_807n)),
  );
  await ask('append.empty_list.any_missing', async () => {
    const name = stream();
    return [await ending(put(name, [], ANY)), await caught(count(name))];
  });
  await ask('append.empty_list.no_stream_missing', () => ending(put(stream(), [], NO_STREAM)));
  await ask('append.empty_list.right_revision', async () => ending(put(await standing(2), [], 1n)));
  await ask('append.empty_list.wrong_revision', async () => ending(put(await standing(2), [], 7n)));

  for (const size of [1, 100, 1000, 5000])
    await ask(`append.batch.${size}`, async () => {
      const name = stream();
      const batch = Array.from({ length: size }, (_, i) => event('T', { i }));
      const result = await put(name, batch, NO_STREAM);
      const read = await collect(client.readStream(name));
      const positions = read.map((one) => one.event.position?.commit);
      return {
        ...shape(result),
        read: read.length,
        inOrder: read.every((one, i) => one.event.data.i === i),
        resultIsLastEventPosition: result.position?.commit === positions.at(-1),
        strictlyIncreasing: positions.every((position, i) => i === 0 || position > positions[i - 1]),
      };
    });
  await ask('append.batch.then_conflict_writes_nothing', async () => {
    const name = await standing(1);
    const { class: kind } = await ending(put(name, events(3), 9n));
    return [kind, await count(name)];
  });
  await ask('append.same_id_twice_in_one_batch', async () => {
    const [name, id] = [stream(), randomUUID()];
    const twice = [event('T', { a: 1 }, id), event('T', { a: 2 }, id)];
    return [await ending(put(name, twice, NO_STREAM)), await count(name)];
  });
  await ask('append.concurrent_same_expected', async () => {
    const name = await standing(1);
    const endings = await Promise.all(events(20).map((one) => ending(put(name, one, 0n))));
    const counts: Record<string, number> = {};
    for (const { class: kind = 'ok' } of endings) counts[kind] = (counts[kind] ?? 0) + 1;
    return counts;
  });
  await ask('append.concurrent_any_order', async () => {
    const name = stream();
    const sent = Array.from({ length: 50 }, (_, i) => put(name, event('T', { i }), ANY));
    const results = await Promise.all(sent);
    const read = await collect(client.readStream(name));
    return {
      sendOrderKept: read.every((one, i) => one.event.data.i === i),
      responsesMatch: results.every((result, i) => Number(result.nextExpectedRevision) === i),
    };
  });

  // the other way to append, taken when credentials are given with the call
  await ask('path.default', async () => {
    const name = stream();
    calls();
    for (let i = 0; i < 3; i++) await put(name, event(), ANY);
    return calls();
  });
  await ask('path.per_call_credentials', async () => {
    calls();
    const r = await ending(put(stream(), event(), NO_STREAM, PER_CALL_CREDENTIALS));
    const { append: unary, batchAppend: batch } = calls();
    return { r, append: unary, batch };
  });
  await ask('path.append.wrong_version', async () => {
    const name = await standing(2);
    return [
      await ending(put(name, event(), NO_STREAM, PER_CALL_CREDENTIALS)),
      await ending(put(name, event(), 5n, PER_CALL_CREDENTIALS)),
      await ending(put(stream(), event(), STREAM_EXISTS, PER_CALL_CREDENTIALS)),
      await ending(put(stream(), event(), 3n, PER_CALL_CREDENTIALS)),
    ];
  });
  await ask('path.append.too_big', () =>
    ending(put(stream(), event('T', { x: 'y'.repeat(1.2e6) }), NO_STREAM, PER_CALL_CREDENTIALS)),
  );
  await ask('capabilities', async () => {
    const capabilities = await (client as any).capabilities;
    return {
      version: capabilities.serverVersion,
      batch: capabilities.supports(generated.StreamsService.batchAppend),
    };
  });
}

/** The same event ids sent again. */
export async function askAboutRepeating(asking: Asking): Promise<void> {
  const { ask, client, stream } = asking;
  const put = append.bind(null, asking);
  const count = async (of: string): Promise<number> => (await collect(client.readStream(of))).length;
  type Expected = Parameters<typeof put>[2];

  /** Sends twice, with other events in front and between, and compares the answers. */
  async function twice(batch: number, expected: Expected, before: number, between = 0): Promise<unknown> {
    const name = stream();
    const sent = events(batch);
    if (before > 0) await put(name, events(before), NO_STREAM);
    const first = await put(name, sent, expected);
    if (between > 0) await put(name, events(between), BigInt(before + batch - 1));
    const { ok, error } = await caught(put(name, sent, expected));
    return (
      error ?? {
        ...shape(ok),
        samePosition: first.position?.commit === ok.position?.commit,
        count: await count(name),
      }
    );
  }

  await ask('idem.single.no_stream', () => twice(1, NO_STREAM, 0));
  await ask('idem.single.any', () => twice(1, ANY, 0));
  await ask('idem.single.stream_exists', () => twice(1, STREAM_EXISTS, 1));
  await ask('idem.single.revision_same', () => twice(1, 0n, 1));
  await ask('idem.single.revision_same_after_more_events', () => twice(1, 0n, 1, 3));
  await ask('idem.single.any_after_more_events', () => twice(1, ANY, 1, 3));
  await ask('idem.batch.same', () => twice(3, NO_STREAM, 0));
  await ask('idem.batch.same_any', () => twice(3, ANY, 0));
  await ask('idem.batch.same_revision_after_more', () => twice(3, 0n, 1, 2));

  /** Appends `first` at an expectation, then asks for `then` at another; how that ends, and what stands there. */
  async function then(
    before: number,
    first: ReturnType<typeof events>,
    at: Expected,
    again: ReturnType<typeof events>,
    expected: Expected,
  ): Promise<unknown[]> {
    const name = stream();
    if (before > 0) await put(name, events(before), NO_STREAM);
    await put(name, first, at);
    return [await ending(put(name, again, expected)), await count(name)];
  }
  type Event = ReturnType<typeof events>[number];
  /** Each question has events of its own: the server remembers one stream of an id, the first. */
  const askOf = (name: string, question: (a: Event, b: Event, c: Event) => Promise<unknown>): Promise<void> =>
    ask(name, () => question(...(events(3) as [Event, Event, Event])));
  await askOf('idem.single.current_revision_same_id', (a) => then(1, [a], 0n, [a], 1n));
  await askOf('idem.single.higher_revision_same_id', (a) => then(1, [a], 0n, [a], 9n));
  await askOf('idem.single.lower_revision_same_id', (a) => then(2, [a], 1n, [a], 0n));
  await askOf('idem.single.first_no_stream_then_any', (a) => then(0, [a], NO_STREAM, [a], ANY));
  await askOf('idem.batch.prefix', (a, b, c) => then(0, [a, b, c], NO_STREAM, [a, b], NO_STREAM));
  await askOf('idem.batch.suffix', (a, b, c) => then(0, [a, b, c], NO_STREAM, [b, c], NO_STREAM));
  await askOf('idem.batch.suffix_any', (a, b, c) => then(0, [a, b, c], NO_STREAM, [b, c], ANY));
  await askOf('idem.batch.superset', (a, b, c) => then(0, [a, b], NO_STREAM, [a, b, c], NO_STREAM));
  await askOf('idem.batch.superset_any', (a, b, c) => then(0, [a, b], NO_STREAM, [a, b, c], ANY));
  await askOf('idem.batch.reordered', (a, b, c) => then(0, [a, b, c], NO_STREAM, [b, a, c], NO_STREAM));
  await askOf('idem.batch.reordered_any', (a, b, c) => then(0, [a, b, c], NO_STREAM, [b, a, c], ANY));
  await askOf('idem.batch.other_revision', (a, b) => then(1, [a, b], 0n, [a, b], 2n));

  await ask('idem.single.other_data_same_id', async () => {
    const [name, id] = [stream(), randomUUID()];
    await put(name, event('T', { a: 1 }, id), NO_STREAM);
    const r = await ending(put(name, event('U', { a: 2 }, id), NO_STREAM));
    const read = await collect(client.readStream(name));
    return [r, read.length, read[0].event.type, read[0].event.data];
  });
  await ask('idem.same_id_other_stream', async () => {
    const sent = event();
    await put(stream(), sent, NO_STREAM);
    return [await ending(put(stream(), sent, NO_STREAM)), await ending(put(stream(), sent, ANY))];
  });
  await ask('idem.batch.mixed_new_first', async () => {
    const name = stream();
    const [first, second] = events(2) as [Event, Event];
    await put(name, [first, second], NO_STREAM);
    return [
      await ending(put(name, [event(), first, second], NO_STREAM)),
      await ending(put(name, [event(), first], ANY)),
      await count(name),
    ];
  });
  await ask('idem.two_appends_retried_as_one_batch', async () => {
    const name = stream();
    const [first, second] = events(2) as [Event, Event];
    await put(name, first, NO_STREAM);
    await put(name, second, 0n);
    return [await ending(put(name, [first, second], NO_STREAM)), await count(name)];
  });
}
