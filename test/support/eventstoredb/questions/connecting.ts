import { ANY, END, EventStoreDBClient, NO_STREAM } from '@eventstore/db-client';
import { until } from '../../wait.js';
import {
  append,
  caught,
  collect,
  ending,
  event,
  events,
  PER_CALL_CREDENTIALS,
  within,
  type Asking,
} from './asking.js';

/** Options of the client, deadlines, farewells. */
export async function askAboutConnecting(asking: Asking): Promise<void> {
  const { ask, client, stream, calls, url } = asking;
  const put = append.bind(null, asking);
  const other = (change: (url: string) => string): EventStoreDBClient =>
    EventStoreDBClient.connectionString(change(url));

  await ask('throwOnAppendFailure=false', async () => {
    const lenient = other((same) => `${same}&throwOnAppendFailure=false`);
    const name = stream();
    await put(name, events(4), NO_STREAM);
    const answers = [
      await caught(lenient.appendToStream(name, event(), { expectedRevision: NO_STREAM })),
      await caught(lenient.appendToStream(stream(), event(), { expectedRevision: 4n })),
      await caught(
        lenient.appendToStream(name, event(), { expectedRevision: NO_STREAM, ...PER_CALL_CREDENTIALS }),
      ),
    ];
    await lenient.dispose();
    return answers;
  });
  await ask('deadline.tiny', async () => {
    const batch = Array.from({ length: 1000 }, () => event('T', { x: 'y'.repeat(500) }));
    const answers = [];
    for (const deadline of [1, 0]) answers.push(await ending(put(stream(), batch, NO_STREAM, { deadline })));
    return answers.map((answer) => (answer.class ? answer : 'success'));
  });
  await ask('deadline.tiny_unary', async () => {
    const answer = await ending(put(stream(), event(), NO_STREAM, { deadline: 0, ...PER_CALL_CREDENTIALS }));
    return answer.class ? { ...answer, message: answer.message.slice(0, 40) } : 'success';
  });
  await ask('discover', async () => {
    const discovering = other((same) => same.replace('esdb://', 'esdb+discover://'));
    const answer = await ending(
      discovering.appendToStream(stream(), event(), { expectedRevision: NO_STREAM }),
    );
    await discovering.dispose();
    return answer;
  });
  await ask('default_credentials_on_insecure', async () => {
    const named = other((same) => same.replace('esdb://', 'esdb://admin:changeit@'));
    calls();
    const answer = await ending(named.appendToStream(stream(), event(), { expectedRevision: NO_STREAM }));
    const { append: unary, batchAppend } = calls();
    await named.dispose();
    return [answer, unary, batchAppend];
  });
  await ask('requires_leader', async () => {
    const name = stream();
    const answer = await ending(put(name, event(), ANY, { requiresLeader: true }));
    const read = collect(client.readStream(name, { requiresLeader: true })).then((all) => all.length);
    return [answer, await caught(read)];
  });
  await ask(
    'dispose',
    async () => {
      const leaving = other((same) => same);
      await leaving.appendToStream(stream(), event());
      const log: string[] = [];
      const subscription = leaving.subscribeToAll({ fromPosition: END });
      let begun = false;
      subscription.on('confirmation', () => (begun = true));
      for (const signal of ['error', 'end', 'close', 'finish'] as const)
        subscription.on(signal as 'end', (error?: unknown) =>
          log.push(signal + (error instanceof Error ? `:${error.constructor.name}` : '')),
        );
      subscription.on('data', () => {});
      await until(() => begun);
      const start = performance.now();
      await within(leaving.dispose(), 3000);
      const ms = performance.now() - start;
      await until(() => log.includes('close'), { timeoutMs: 1000 }).catch(() => undefined);
      const after = await within(
        caught(leaving.appendToStream(stream(), event()).then(({ success }) => success)),
        3000,
      );
      const again = await within(leaving.dispose(), 3000);
      return { ms: ms < 200 ? 'fast' : ms, log, appendAfterDispose: after, again: again ?? 'ok' };
    },
    15_000,
  );
  await ask(
    'dispose.pending_append',
    async () => {
      const leaving = other((same) => same);
      await leaving.appendToStream(stream(), event());
      const pending = caught(
        leaving
          .appendToStream(stream(), events(3000), { expectedRevision: ANY })
          .then(({ success }) => success),
      );
      await new Promise((resolve) => setTimeout(resolve, 1)); // it is on its way now
      await leaving.dispose();
      return within(pending, 3000);
    },
    15_000,
  );
}
