import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Bad } from '../support/eventstoredb/questions/crashing.js';
import { startProtocolServer, type ProtocolServer } from '../support/eventstoredb/start.js';

type Answers = Readonly<Record<string, any>>;

/** What a real EventStoreDB 24.2.0 answered. */
const real = JSON.parse(
  readFileSync(fileURLToPath(new URL('../support/eventstoredb/real.json', import.meta.url)), 'utf8'),
) as Answers;

/** Answers that cannot be the same again, with what must be the same in them. */
const DIFFERENT: Readonly<Record<string, { because: string; same(answer: any): unknown }>> = {
  'name.$all': {
    because:
      'the recording server had been asked twice before, and this stream has the same name in every run',
    same: ([{ success }, read]) => [success, read],
  },
  'meta.max_count': {
    because: 'the answer holds a position of the log, which depends on everything before it',
    same: ({ g: { metastreamRevision: _, ...g }, ...rest }) => ({ ...rest, g }),
  },
};

/** The protocol server, or the real one that TEST_EVENT_STORE_URL names, answers as the recorded one did. */
describe('the server of the EventStoreDB tests', () => {
  let server: ProtocolServer | undefined;
  let url: string;

  beforeAll(async () => {
    if (!process.env['TEST_EVENT_STORE_URL']) server = await startProtocolServer();
    url = process.env['TEST_EVENT_STORE_URL'] ?? server!.url;
  });
  afterAll(() => server?.kill());

  test('answers every question as recorded, but for what is listed here', async () => {
    const { message: answers } = await ask(url);
    expect(Object.keys(answers).length).toBeGreaterThan(160);
    expect(Object.keys(answers).sort()).toEqual(Object.keys(real).sort());
    const others = Object.keys(real).filter((name) => !(name in DIFFERENT));
    for (const name of others) expect({ [name]: answers[name] }).toEqual({ [name]: real[name] });
    for (const [name, { same }] of Object.entries(DIFFERENT)) {
      expect(same(answers[name])).toEqual(same(real[name]));
      // no longer different: off the list; the real one may happen to answer as it did then
      if (server) expect(answers[name]).not.toEqual(real[name]);
    }
  }, 80_000);

  test.each<Bad>(['no uuid', 'the nil uuid', 'an empty type'])(
    'an event with %s ends the process that sends it',
    async (bad) => {
      const { message, code, problems } = await ask(url, bad);
      expect(message).toEqual({ class: 'UnknownError', message: 'Could not recognize BadRequest' });
      expect(code).not.toBe(0);
      expect(problems).toContain('undefined is not iterable');
    },
  );
});

/** Has a child process ask; its message, and how it ended. */
async function ask(url: string, bad?: Bad): Promise<{ message: any; code: number | null; problems: string }> {
  const script = fileURLToPath(
    new URL('../support/eventstoredb/questions/main-process.mjs', import.meta.url),
  );
  const child = spawn(process.execPath, bad === undefined ? [script, url] : [script, url, bad], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let problems = '';
  child.stderr!.on('data', (chunk) => (problems += chunk));
  let message: unknown;
  child.on('message', (sent) => (message = sent));
  const code = await new Promise<number | null>((resolve, reject) =>
    child.once('error', reject).once('close', resolve),
  );
  if (message === undefined) throw new Error(`the questions ended with ${String(code)}: ${problems}`);
  return { message, code, problems };
}
