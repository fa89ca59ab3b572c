import { EventStoreDBClient } from '@eventstore/db-client';
import { randomUUID } from 'node:crypto';
import { askAboutAppending, askAboutRepeating } from './appending.js';
import { countCalls, describeError, within, type Asking } from './asking.js';
import { askAboutConnecting } from './connecting.js';
import { sendBadRequest, type Bad } from './crashing.js';
import { askAboutDeleting } from './deleting.js';
import { askAboutPayloads } from './payloads.js';
import { askAboutReading, askAboutTheWholeLog } from './reading.js';
import { askAboutSubscribingToAll, askAboutSubscribingToStreams } from './subscribing.js';

/** Asks a server everything and sends the answers to the parent process; or sends it one bad request. */
const [url, bad] = process.argv.slice(2) as [string, Bad?];

async function askEverything(): Promise<Record<string, unknown>> {
  const calls = countCalls();
  const client = EventStoreDBClient.connectionString(url);
  const run = randomUUID().slice(0, 8);
  const answers: Record<string, unknown> = {};
  const uncaught: unknown[] = [];
  const note = (kind: string) => (error: unknown) => uncaught.push({ kind, ...describeError(error) });
  process.on('uncaughtException', note('uncaughtException'));
  process.on('unhandledRejection', note('unhandledRejection'));

  const asText = (_: string, value: unknown): unknown => {
    if (typeof value === 'bigint') return `${value}n`;
    return value instanceof Uint8Array ? `<bytes ${value.length} ${value.constructor.name}>` : value;
  };
  const names = new RegExp(`\\b0([a-zA-Z_]*)-${run}-\\d+`, 'g');
  let streams = 0;
  const asking: Asking = {
    url,
    client,
    run,
    calls,
    stream: (prefix = 's') => `0${prefix}-${run}-${++streams}`,
    ask: async (name, question, timeoutMs = 10_000) => {
      let answer: unknown;
      try {
        answer = await within(question(), timeoutMs);
      } catch (error) {
        answer = { threw: describeError(error) };
      }
      answers[name] = JSON.parse(JSON.stringify(answer ?? null, asText).replaceAll(names, '$1-#'));
    },
  };

  await askAboutAppending(asking);
  await askAboutRepeating(asking);
  await askAboutPayloads(asking);
  const ten = await askAboutReading(asking);
  const three = await askAboutTheWholeLog(asking);
  await askAboutSubscribingToAll(asking, three);
  await askAboutSubscribingToStreams(asking, ten);
  await askAboutDeleting(asking);
  await askAboutConnecting(asking);
  await within(client.dispose(), 1000); // waits for a subscription that was destroyed, in vain
  return { ...answers, uncaught };
}

if (bad === undefined)
  process.send!(await askEverything(), () => process.exit(0)); // nothing else to say
else await sendBadRequest(url, bad);
