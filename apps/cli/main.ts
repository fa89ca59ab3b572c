import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { SingleBar } from 'cli-progress';
import { Command } from 'commander';
import pg from 'pg';
import { createStreamWriter, type Environment, type KeyKind } from '#libs/commands';
import { attachDatabase, ConfigError, parseConfig, systemClock } from '#libs/platform';
import { migrateReadModels, READ_MODEL_NAMES } from '#libs/read-models';
import { openEventStore } from '../event-store.js';
import { failure } from '../failure.js';
import { createKey, DEFAULT_TENANT, listKeys, revokeKey, shownKey } from '../keys.js';
import { Interrupted } from './interrupt.js';
import { FileUnusable } from './log-file.js';
import {
  asOfFrom,
  dropTo,
  rebuild,
  REBUILD_HELP,
  rebuildLines,
  rebuildTo,
  rebuildToLines,
} from './rebuild.js';
import { exportToFile, IMPORT_HELP, importFromFile, type TransferBar } from './transfer.js';
import { isSound, verify, VERIFY_HELP, verifyLines } from './verify.js';

/** Exit codes: 0 all is well, 1 a difference was found or the command failed, 2 bad usage. */
const FOUND_A_DIFFERENCE = 1;
const BAD_USAGE = 2;

const program = new Command('drawdown')
  .description('Operate a Drawdown ledger. Reads the same environment as the server, and may run beside it.')
  .option('--json', 'print one JSON document instead of text')
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : BAD_USAGE));

type Tools = Awaited<ReturnType<typeof open>>;

async function open() {
  const config = parseConfig(process.env);
  if (config.eventStore === 'memory')
    throw new ConfigError([
      'EVENT_STORE_URL: a log in memory ends with its process; there is nothing to operate on',
    ]);
  // a directory with a typing error in its name is a new ledger too, in which all is well
  if (config.databaseUrl === undefined && !existsSync(join(config.dataDir, 'postgres')))
    process.stderr.write(`There was no ledger in ${resolve(config.dataDir)}: a new one begins.\n`);
  const database = await attachDatabase(config);
  const pool = new pg.Pool({ connectionString: database.url, max: 4 });
  pool.on('error', () => undefined); // idle connections end with the database; a statement under way tells of it itself
  const eventStore = await openEventStore(config, database.url);
  await migrateReadModels(database.url);
  const writer = createStreamWriter({ eventStore, clock: () => systemClock().now('') });
  return { config, database, pool, eventStore, writer };
}

/** Runs a command with the database open, and closes it whatever happens. */
async function run(action: (tools: Tools) => Promise<number | void>): Promise<void> {
  const tools = await open();
  let code = 0;
  try {
    code = (await action(tools)) ?? 0;
  } finally {
    await tools.writer.close();
    await tools.eventStore.close();
    await tools.pool.end();
    await tools.database.stop();
  }
  process.exitCode = code;
}

function print(result: unknown, lines: () => readonly string[]): void {
  const asJson = program.opts<{ json?: boolean }>().json;
  const text = JSON.stringify(
    result,
    (_, value: unknown) => (typeof value === 'bigint' ? Number(value) : value),
    2,
  );
  process.stdout.write(asJson ? `${text}\n` : `${lines().join('\n')}\n`);
}

/** A bar for people, on standard error; silent for machines. */
function progressBar(label: string, unit = 'events'): TransferBar {
  if (program.opts<{ json?: boolean }>().json || !process.stderr.isTTY)
    return { update: () => undefined, stop: () => undefined };
  const bar = new SingleBar({
    format: `${label} {bar} {percentage}% | {value}/{total} ${unit} | {rate}/s | {eta_formatted} left`,
  });
  bar.start(0, 0, { rate: 0 });
  return {
    update(done, of, perSecond) {
      bar.setTotal(Number(of));
      bar.update(Number(done), { rate: Math.round(perSecond) });
    },
    stop: () => bar.stop(),
  };
}

program
  .command('rebuild')
  .description('Build read models anew from the log, beside the live ones, and swap them in.')
  .argument('[read-model...]', `which (default all): ${READ_MODEL_NAMES.join(', ')}`)
  .option('--to <when>', 'build them as of a position or a time, in a schema of their own')
  .option('--drop', 'remove the schema that --to built')
  .addHelpText('after', REBUILD_HELP)
  .action(async (names: string[], { to, drop }: { to?: string; drop?: true }) => {
    const unknown = names.filter((name) => !READ_MODEL_NAMES.includes(name));
    if (unknown.length > 0) program.error(`unknown read model ${unknown.join(', ')}`);
    const asOf = to === undefined ? undefined : asOfFrom(to);
    if (asOf === null)
      return program.error('--to must be a position, or a time such as 2026-01-31T23:59:59.999Z');
    if (drop && (!asOf || names.length > 0)) program.error('--drop needs --to, and takes the whole schema');
    await run(async ({ pool, eventStore }) => {
      const context = { pool, eventStore, bar: progressBar, names };
      if (asOf === undefined) {
        const result = await rebuild(context);
        print(result, () => rebuildLines(result));
      } else if (drop) {
        const result = await dropTo(context, asOf);
        print(result, () => [`${result.dropped} is gone.`]);
      } else {
        const result = await rebuildTo(context, asOf, systemClock().now(''));
        print(result, () => rebuildToLines(result, asOf));
      }
    });
  });

program
  .command('verify')
  .description(
    'Derive everything from the log again, check positions and hash chains, and compare with the read models.',
  )
  .addHelpText('after', VERIFY_HELP)
  .action(() =>
    run(async (tools) => {
      const result = await verify(tools, progressBar);
      print(result, () => verifyLines(result));
      return isSound(result) ? 0 : FOUND_A_DIFFERENCE;
    }),
  );

program
  .command('status')
  .description('Where the log ends and how far each read model is.')
  .action(() =>
    run(async ({ pool, eventStore }) => {
      const head = await eventStore.head();
      const { rows } = await pool.query<{
        projection: string;
        position: string;
        stopped_reason: string | null;
      }>(
        'select projection, position::text as position, stopped_reason from read_models.checkpoints order by projection',
      );
      const readModels = rows.map(({ projection, position, stopped_reason: stopped }) => ({
        name: projection,
        position: Number(position),
        behind: eventStore.dense ? Number(head - BigInt(position)) : BigInt(position) < head,
        stopped,
      }));
      print({ log: { identity: eventStore.identity, position: Number(head) }, readModels }, () => [
        `Log ${eventStore.identity} ends at position ${head}.`,
        ...readModels.map(({ name, position, behind, stopped }) =>
          stopped === null
            ? `  ${name}: ${position}, ${behind === true ? 'behind' : `${Number(behind)} behind`}`
            : `  ${name}: STOPPED at ${position}: ${stopped}`,
        ),
      ]);
    }),
  );

program
  .command('export')
  .description('Write the whole log, as it stands now, into a new compressed file.')
  .argument('<file>', 'must not exist; such as drawdown.jsonl.gz')
  .action((file: string) =>
    run(async ({ eventStore }) => {
      const result = await exportToFile({ eventStore, bar: progressBar }, file);
      print(result, () => [
        `${result.events} events of log ${result.identity} written.`,
        `  digest ${result.digest}`,
      ]);
    }),
  );

program
  .command('import')
  .description(
    'Append the log in an exported file to an empty store, with all ids and hashes, and verify it.',
  )
  .argument('<file>', 'written by export')
  .addHelpText('after', IMPORT_HELP)
  .action((file: string) =>
    run(async ({ eventStore }) => {
      const result = await importFromFile({ eventStore, bar: progressBar }, file);
      print(result, () => [
        `${result.appended} events appended, ${result.events - result.appended} were there; all ${result.events} verified.`,
        `  digest ${result.digest}`,
      ]);
    }),
  );

const keys = program.command('keys').description('API keys.');
const environments: readonly Environment[] = ['live', 'test'];
const kinds: readonly KeyKind[] = ['secret', 'publishable', 'trigger'];

keys
  .command('create')
  .description('Create a key; unless it is publishable, its value is printed this once.')
  .requiredOption('--name <name>', 'what it is for')
  .option('--type <type>', kinds.join(', '), 'secret')
  .option('--environment <environment>', environments.join(', '), 'live')
  .action(async ({ name, type, environment }: { name: string; type: KeyKind; environment: Environment }) => {
    if (name === '' || name.length > 100) program.error('--name must have 1 to 100 characters');
    if (!kinds.includes(type)) program.error(`--type must be one of ${kinds.join(', ')}`);
    if (!environments.includes(environment))
      program.error(`--environment must be one of ${environments.join(', ')}`);
    await run(async (tools) => {
      const { key, value } = await createKey(tools, operator, {
        tenant: DEFAULT_TENANT,
        environment,
        kind: type,
        name,
      });
      print({ ...shownKey(key), key: value }, () => [`${key.id} ${key.name}`, value]);
    });
  });

keys
  .command('list')
  .description('List keys; of publishable ones alone the value is kept.')
  .action(() =>
    run(async (tools) => {
      const found = await listKeys(tools);
      print(found, () =>
        found.map(
          ({ id, environment, keyType, prefix, key, name, revokedAt }) =>
            `${id}  ${environment} ${keyType}  ${key ?? `${prefix}...`}  ${name}${revokedAt === null ? '' : `  revoked ${revokedAt}`}`,
        ),
      );
    }),
  );

keys
  .command('revoke')
  .argument('<id>')
  .description('Revoke a key for ever; in force within a second.')
  .action((id: string) =>
    run(async (tools) => {
      const { key } = await revokeKey(tools, operator, id);
      print(shownKey(key), () => [`${key.id} revoked at ${key.revokedAt}`]);
    }),
  );

const operator = { actor: 'operator', correlationId: 'command line' };

try {
  await program.parseAsync();
} catch (error) {
  const { text, exitCode } = failure(error, [FileUnusable, Interrupted]);
  process.stderr.write(`${text}\n`);
  process.exitCode = exitCode;
}
