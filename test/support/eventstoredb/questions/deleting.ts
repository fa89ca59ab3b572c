import { ANY, BACKWARDS, END, NO_STREAM, STREAM_EXISTS, type EventData } from '@eventstore/db-client';
import { randomUUID } from 'node:crypto';
import { until } from '../../wait.js';
import {
  append,
  caught,
  collect,
  ending,
  event,
  events,
  PER_CALL_CREDENTIALS,
  revisions,
  watch,
  type Asking,
} from './asking.js';

/** Deleting, tombstones, the metadata of streams, links. */
export async function askAboutDeleting(asking: Asking): Promise<void> {
  const { ask, client, stream } = asking;
  const put = append.bind(null, asking);
  const read = (name: string, options = {}): Promise<any[]> => collect(client.readStream(name, options));
  const fromTheEnd = { direction: BACKWARDS, fromRevision: END } as const;
  const standing = async (size: number, prefix?: string): Promise<string> => {
    const name = stream(prefix);
    await put(name, events(size), NO_STREAM);
    return name;
  };
  const deleted = async (size: number): Promise<string> => {
    const name = await standing(size);
    await client.deleteStream(name);
    return name;
  };
  const orOk = async (act: Promise<unknown>): Promise<unknown> => (await caught(act)).error ?? 'ok';

  await ask('delete.any', async () => {
    const name = await standing(3);
    const { ok = {}, error: err } = await caught(client.deleteStream(name));
    return {
      keys: Object.keys(ok as object),
      err,
      read: await caught(read(name)),
      recreate: await ending(put(name, event('T', { again: 1 }), NO_STREAM)),
      then: revisions(await read(name)),
      back: await caught(read(name, fromTheEnd).then(revisions)),
    };
  });
  await ask('delete.then_append_any', async () => {
    const name = await deleted(2);
    return [await ending(put(name, event(), ANY)), revisions(await read(name))];
  });
  await ask('delete.then_append_last_revision', async () => {
    const name = await deleted(2);
    return [await ending(put(name, event(), 1n)), await ending(put(name, event(), STREAM_EXISTS))];
  });
  await ask('delete.then_stream_exists', async () => ending(put(await deleted(2), event(), STREAM_EXISTS)));
  await ask('delete.then_wrong_revision', async () => ending(put(await deleted(2), event(), 0n)));
  await ask('delete.wrong_revision', async () =>
    caught(client.deleteStream(await standing(2), { expectedRevision: 0n })),
  );
  await ask('delete.right_revision', async () =>
    orOk(client.deleteStream(await standing(2), { expectedRevision: 1n })),
  );
  await ask('delete.missing', async () => [
    await orOk(client.deleteStream(stream())),
    await orOk(client.deleteStream(stream(), { expectedRevision: NO_STREAM })),
    await orOk(client.deleteStream(stream(), { expectedRevision: 3n })),
  ]);
  await ask('delete.twice', async () => orOk(client.deleteStream(await deleted(1))));
  await ask('delete.all_still_has_events', async () => {
    const name = await standing(2, 'delall');
    const [first] = await read(name);
    await client.deleteStream(name);
    const all = await collect(client.readAll({ fromPosition: first.event.position }));
    return all.map(({ event: { streamId, type, data } }) => [
      streamId.replace(name, 'S'),
      type,
      type === '$metadata' ? data : '',
    ]);
  });

  await ask(
    'tombstone',
    async () => {
      const name = await standing(2);
      const [first] = await read(name);
      const { ok = {}, error: err } = await caught(client.tombstoneStream(name));
      const answers = {
        keys: Object.keys(ok as object),
        err,
        read: await caught(read(name)),
        back: await caught(read(name, fromTheEnd)),
        app: [
          await ending(put(name, event(), ANY)),
          await ending(put(name, event(), NO_STREAM)),
          await ending(put(name, event(), 1n)),
        ],
        appUnary: await ending(put(name, event(), ANY, PER_CALL_CREDENTIALS)),
      };
      const failed = (_: unknown, log: readonly string[]): boolean =>
        log.some((one) => one.startsWith('error'));
      const watched = await watch(() => client.subscribeToStream(name), failed, 1500);
      const all = await collect(client.readAll({ fromPosition: first.event.position }));
      const again = await caught(client.tombstoneStream(name));
      const own = all.filter((one) => one.event.streamId === name);
      const types = own.map((one) => [one.event.type, one.event.revision]);
      return { ...answers, sub: watched.log, all: types, again };
    },
    20_000,
  );
  await ask('tombstone.missing', async () => {
    const name = stream();
    return [await orOk(client.tombstoneStream(name)), await caught(read(name))];
  });

  await ask('meta.get_missing', () => caught(client.getStreamMetadata(stream())));
  await ask('meta.max_count', async () => {
    const name = await standing(4);
    const r = await ending(client.setStreamMetadata(name, { maxCount: 2, custom: 'x' }));
    const { streamName: _, ...stored } = await client.getStreamMetadata(name);
    const all = await collect(client.readAll({ direction: BACKWARDS, fromPosition: END, maxCount: 6 }));
    return {
      r,
      g: { ...stored, rev: typeof stored.metastreamRevision },
      read: revisions(await read(name)),
      from0: revisions(await read(name, { fromRevision: 0n })),
      back: revisions(await read(name, fromTheEnd)),
      all: all.filter((one) => one.event.streamId === name).length,
    };
  });
  await ask('meta.max_age', async () => {
    const name = await standing(2);
    await client.setStreamMetadata(name, { maxAge: 1 });
    const a = revisions(await read(name));
    await until(async () => (await read(name)).length === 0, { intervalMs: 100 });
    const b = await caught(read(name).then(revisions));
    const c = await ending(put(name, event(), 1n));
    return { a, b, c, d: revisions(await read(name)) };
  });
  await ask('meta.truncate_before', async () => {
    const name = await standing(4);
    await client.setStreamMetadata(name, { truncateBefore: 3 });
    const b = revisions(await read(name));
    await client.setStreamMetadata(name, { truncateBefore: 100 });
    return {
      b,
      c: await caught(read(name).then(revisions)),
      app: await ending(put(name, event(), 3n)),
      wrong: await ending(put(name, event(), NO_STREAM)),
    };
  });
  await ask('meta.wrong_revision', async () => {
    const name = stream();
    await client.setStreamMetadata(name, { a: 1 });
    return ending(client.setStreamMetadata(name, { a: 2 }, { expectedRevision: NO_STREAM }));
  });
  await ask('meta.for_missing_stream', async () => {
    const name = stream();
    await client.setStreamMetadata(name, { a: 1 });
    return [await caught(read(name)), await ending(put(name, event(), NO_STREAM))];
  });

  await ask('link', async () => {
    const [target, links] = [stream('target'), stream('links')];
    await put(target, events(2), NO_STREAM);
    const link = (to: string): EventData => ({
      id: randomUUID(),
      type: '$>',
      contentType: 'application/octet-stream',
      data: Buffer.from(to),
      metadata: undefined,
    });
    const to = [`1@${target}`, `0@${target}`, `99@${target}`, `0@${stream('nosuch')}`];
    await put(links, to.map(link), NO_STREAM);
    const name = (id: string): string => (id === target ? 'target' : id === links ? 'links' : id);
    const brief = (one: any): unknown => one && [name(one.streamId as string), one.revision, one.type];
    const all = (some: readonly any[]): unknown =>
      some.map((one) => ({ ev: brief(one.event), link: brief(one.link) }));
    return {
      resolved: all(await read(links, { resolveLinkTos: true })),
      raw: all(await read(links)),
      dataOfRaw: (await read(links))[0].event.isJson,
    };
  });
}
