import { ANY, binaryEvent, NO_STREAM } from '@eventstore/db-client';
import { randomUUID } from 'node:crypto';
import { append, caught, collect, ending, event, events, type Asking } from './asking.js';

/** Sizes, names and what events are made of. */
export async function askAboutPayloads(asking: Asking): Promise<void> {
  const { ask, client, stream, run } = asking;
  const put = append.bind(null, asking);
  const fresh = (what: Parameters<typeof put>[1]): Promise<any> => ending(put(stream(), what, NO_STREAM));
  const many = (length: number, bytes: number): ReturnType<typeof events> =>
    Array.from({ length }, () => event('T', { x: 'y'.repeat(bytes) }));

  await ask('size.single_json_2MB', () => fresh(many(1, 2e6)));
  await ask('size.single_binary_exact_limits', async () => {
    const answers: Record<number, string> = {};
    const limit = 1_048_576;
    for (const size of [limit - 2000, limit - 200, limit - 100, limit - 1, limit, limit + 1])
      answers[size] = (await fresh(binaryEvent({ type: 'B', data: new Uint8Array(size) }))).class ?? 'ok';
    return answers;
  });
  await ask('size.batch_1000x2KB_sum_over_limit', () => fresh(many(1000, 2000)));
  await ask('size.batch_sum_over_3MB_client_split', () => fresh(many(2000, 2000)));
  await ask('size.batch_sum_over_17MB', () => fresh(many(200, 1e5)), 20_000);
  await ask('size.after_too_big_append_works', () => fresh(event()));
  await ask('size.metadata_counts', async () => {
    const answer = await fresh(event('T', {}, randomUUID(), { m: 'x'.repeat(1.1e6) }));
    return answer.class ?? 'ok';
  });

  const names = {
    dash: '0account-cus_123',
    many: 'a.b:c/d|e@f g+h%20',
    unicode: 'käse-日本-😀',
    dollar: '$mine',
    meta: '$$x',
    long1k: `0${'n'.repeat(999)}`,
    at: '0@x',
    caret: '^x$',
    dots: '..',
    newline: 'a\nb',
    nul: 'a\u0000b',
    star: '*',
  };
  for (const [kind, name] of Object.entries(names))
    await ask(`name.${kind}`, async () => {
      const full = kind === 'meta' ? `${name}${run}` : `${name}-${run}`;
      const answer = await ending(put(full, event(), ANY));
      const read = collect(client.readStream(full)).then((all) => [
        all.length,
        all[0]?.event.streamId === full,
      ]);
      return [answer.class ? answer : answer.success, await caught(read)];
    });
  await ask('name.$all', async () => [
    await ending(put('$all', event(), ANY)),
    await caught(collect(client.readStream('$all', { maxCount: 1 })).then((read) => read.length)),
  ]);
  await ask('name.case_sensitive', async () => {
    const name = stream('Case');
    await put(name, event(), NO_STREAM);
    return caught(collect(client.readStream(name.toLowerCase())).then((read) => read.length));
  });

  await ask('event.type_system', () => ending(put(stream(), event('$mine'), ANY)));
  await ask('event.id_uppercase', async () => {
    const [name, id] = [stream(), randomUUID().toUpperCase()];
    await put(name, event('T', {}, id), ANY);
    const [read] = await collect(client.readStream(name));
    return [read.event.id === id, read.event.id === id.toLowerCase()];
  });
  await ask('event.shape', async () => {
    const name = stream();
    const now = Date.now();
    const sent = [
      event('T', { a: 1 }),
      event('T', 'str', randomUUID(), { who: 'x' }),
      binaryEvent({ type: 'B', data: new Uint8Array([1, 2, 3]), metadata: new Uint8Array([9, 9]) }),
      event('T', null),
      event('T', [1]),
      event('T', {}, randomUUID(), {}),
    ];
    await put(name, sent, NO_STREAM);
    return (await collect(client.readStream(name))).map(({ event: recorded, ...rest }) => ({
      keys: Object.keys({ event: recorded, ...rest }).join(),
      ekeys: Object.keys(recorded).join(),
      data: recorded.data,
      meta: recorded.metadata === undefined ? 'undefined' : recorded.metadata,
      isJson: recorded.isJson,
      revision: typeof recorded.revision,
      created: recorded.created.constructor.name,
      createdNow: Math.abs(recorded.created - now) < 5000,
      pos: recorded.position
        ? `${typeof recorded.position.commit} ${recorded.position.commit === recorded.position.prepare}`
        : 'none',
      commitPosition: typeof rest.commitPosition,
    }));
  });
  await ask('event.data_roundtrip', async () => {
    const name = stream();
    const data = {
      s: 'äöü 😀 \u0000 \u2028',
      n: 1e21,
      neg: -0.1,
      deep: { a: [1, [2]] },
      empty: '',
      nul: null,
    };
    await put(name, event('T', data), NO_STREAM);
    const [read] = await collect(client.readStream(name));
    return JSON.stringify(read.event.data) === JSON.stringify(data);
  });
  await ask('event.created_equal_in_batch', async () => {
    const name = stream();
    await put(name, events(3), NO_STREAM);
    return new Set((await collect(client.readStream(name))).map((read) => +read.event.created)).size;
  });
}
