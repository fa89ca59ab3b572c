import pg from 'pg';
import { bigintArray, textArray, unavailable } from '#libs/event-store/postgres';
import { createReceiptFilter, KEY, PATIENCE_MS } from './receipt-filter.js';
import type { CachedWrites, Snapshot, StoredReceipt, TenantCommandId, WriteCache } from './write-cache.js';

const SCHEMA = `
create schema if not exists write_cache;
create table if not exists write_cache.log (id int primary key default 1 check (id = 1), identity text not null);
create table if not exists write_cache.snapshots (
  stream text collate "C" primary key,
  version int not null,
  revision bigint not null,
  position bigint not null,
  hash text not null,
  recorded_at bigint not null,
  state json not null
);
create table if not exists write_cache.receipts (
  tenant text collate "C" not null,
  command_id text collate "C" not null,
  stream text collate "C" not null,
  revision bigint not null,
  events int not null,
  fingerprint text not null
);
do $$ begin
  if to_regclass('write_cache.receipts_by_key') is null then
    -- a snapshot says up to where its stream's receipts are stored, so no key need be unique; whole keys made large entries
    alter table write_cache.receipts drop constraint if exists receipts_pkey;
    create index receipts_by_key on write_cache.receipts (${KEY});
  end if;
  if not exists (select from information_schema.columns
      where table_schema = 'write_cache' and table_name = 'receipts' and column_name = 'saved') then
    -- by which transaction; null where it was saved before anybody asked
    alter table write_cache.receipts add column saved xid8;
    alter table write_cache.receipts alter column saved set default pg_current_xact_id();
    create index receipts_saved on write_cache.receipts (saved) where saved is not null;
  end if;
end $$;
create or replace function write_cache.drop_snapshots() returns trigger language plpgsql as $$
begin
  truncate write_cache.snapshots;
  return null;
end $$;
create or replace trigger receipts_deleted after delete on write_cache.receipts
  for each statement execute function write_cache.drop_snapshots();
create or replace trigger receipts_truncated after truncate on write_cache.receipts
  for each statement execute function write_cache.drop_snapshots();
`;

const LOAD_SNAPSHOTS = {
  name: 'load-snapshots',
  query_timeout: PATIENCE_MS,
  text: `select stream, version, revision::float8 as revision, position::text as position, hash, recorded_at::float8 as recorded_at, state
         from write_cache.snapshots where stream = any($1::text[])`,
};
const LOAD_RECEIPTS = {
  name: 'load-receipts',
  query_timeout: PATIENCE_MS,
  text: `select tenant, command_id, r.stream, r.revision::float8 as revision, r.events, r.fingerprint
         from unnest($1::text[], $2::text[]) as asked(tenant, command_id)
         cross join lateral (select ${KEY} as key offset 0) k
         join (select r.*, ${KEY} as key from write_cache.receipts r) r using (key, tenant, command_id)`,
};
/** Of each stream's receipts those that its snapshot does not vouch for yet. */
const SAVE = {
  name: 'save-snapshots',
  text: `with before as materialized (
           select s.stream, s.revision from write_cache.snapshots s where s.stream = any($1::text[]) order by s.stream for update),
         stored as (
           insert into write_cache.receipts (tenant, command_id, stream, revision, events, fingerprint)
           select r.tenant, r.command_id, r.stream, r.revision, r.events, r.fingerprint
             from unnest($8::text[], $9::text[], $10::text[], $11::bigint[], $12::bigint[], $13::text[])
                  as r(tenant, command_id, stream, revision, events, fingerprint)
             left join before b on b.stream = r.stream
            where r.revision > coalesce(b.revision, -1)
           returning 1),
         snapshot as (
           insert into write_cache.snapshots as s (stream, version, revision, position, hash, recorded_at, state)
           select stream, version, revision, position, hash, recorded_at, state::json
             from unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[]::bigint[], $5::text[], $6::bigint[], $7::text[])
                  as sent(stream, version, revision, position, hash, recorded_at, state)
            where (select count(*) from stored) >= 0 -- which looks at the snapshots as they were
           on conflict (stream) do update set version = excluded.version, revision = excluded.revision,
             position = excluded.position, hash = excluded.hash, recorded_at = excluded.recorded_at, state = excluded.state
           where s.revision < excluded.revision or s.version <> excluded.version)
         select pg_current_xact_id()::text as transaction`,
};
/** Snapshots saved by one statement. */
const MOST_AT_ONCE = 50;

interface Save {
  readonly snapshot: Snapshot;
  readonly receipts: readonly StoredReceipt[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * The write cache in schema `write_cache` of a Postgres, for one log: what was kept of another log is dropped.
 * Deleting receipts drops the snapshots too, because a snapshot vouches for the receipts up to it.
 */
export async function openPostgresWriteCache(pool: pg.Pool, logIdentity: string): Promise<WriteCache> {
  const client = await pool.connect();
  try {
    await client.query('begin');
    await client.query(`select pg_advisory_xact_lock(hashtext('drawdown write cache'))`);
    await client.query(SCHEMA);
    const { rows } = await client.query<{ identity: string }>('select identity from write_cache.log');
    if (rows[0]?.identity !== logIdentity) {
      await client.query('truncate write_cache.receipts');
      await client.query(
        'insert into write_cache.log (identity) values ($1) on conflict (id) do update set identity = excluded.identity',
        [logIdentity],
      );
    }
    await client.query('commit');
  } catch (error) {
    await client.query('rollback');
    throw error;
  } finally {
    client.release();
  }
  const filter = createReceiptFilter(pool);
  void filter.catchUp();
  const due: Save[] = [];
  let saving = false;

  /** What comes while some are saved goes together next. */
  async function saveDue(): Promise<void> {
    saving = true;
    await Promise.resolve(); // those of one append go together
    while (due.length > 0) await saveTogether(takeSome(due));
    saving = false;
  }

  async function saveTogether(some: readonly Save[]): Promise<void> {
    try {
      filter.saved(await saveAll(pool, some));
      for (const { resolve } of some) resolve();
    } catch (error) {
      // what cannot be saved must not keep the others from it; a database that does not answer keeps them all
      if (some.length > 1 && error instanceof pg.DatabaseError)
        for (const one of some) await saveTogether([one]);
      else for (const { reject } of some) reject(error);
    }
  }

  return {
    mayHold: filter.mayHold,
    async load(streams, commandIds): Promise<CachedWrites> {
      try {
        // snapshots first: the receipts read after them cover at least what they vouch for
        const snapshots =
          streams.length === 0
            ? []
            : (await pool.query<SnapshotRow>({ ...LOAD_SNAPSHOTS, values: [streams] })).rows;
        if (snapshots.length > 0) await filter.catchUp();
        const asked = commandIds.filter(filter.mayHold);
        return {
          snapshots: new Map(snapshots.map((row) => [row.stream, snapshotFrom(row)])),
          receipts: asked.length === 0 ? [] : await loadReceipts(pool, asked),
        };
      } catch (error) {
        throw unavailable(error);
      }
    },
    save: (snapshot, receipts) =>
      new Promise<void>((resolve, reject) => {
        filter.saving(receipts);
        due.push({ snapshot, receipts, resolve, reject });
        if (!saving) void saveDue();
      }),
  };
}

/** The first of those that wait, at most one of each stream, in the order of the streams: whoever saves locks them in it. */
function takeSome(due: Save[]): readonly Save[] {
  const some = new Map<string, Save>();
  while (due.length > 0 && some.size < MOST_AT_ONCE && !some.has(due[0]!.snapshot.stream)) {
    const save = due.shift()!;
    some.set(save.snapshot.stream, save);
  }
  return [...some.values()].sort((a, b) => (a.snapshot.stream < b.snapshot.stream ? -1 : 1));
}

/** @returns the transaction that saved them */
async function saveAll(pool: pg.Pool, some: readonly Save[]): Promise<string> {
  const snapshots = some.map(({ snapshot }) => snapshot);
  const receipts = some.flatMap((save) => save.receipts);
  const { rows } = await pool.query<{ transaction: string }>({
    ...SAVE,
    values: [
      textArray(snapshots.map(({ stream }) => stream)),
      bigintArray(snapshots.map(({ version }) => version)),
      bigintArray(snapshots.map(({ revision }) => revision)),
      textArray(snapshots.map(({ position }) => position.toString())),
      textArray(snapshots.map(({ hash }) => hash)),
      bigintArray(snapshots.map(({ recordedAt }) => recordedAt)),
      textArray(snapshots.map(({ state }) => JSON.stringify(state))),
      textArray(receipts.map(({ tenant }) => tenant)),
      textArray(receipts.map(({ commandId }) => commandId)),
      textArray(receipts.map(({ stream }) => stream)),
      bigintArray(receipts.map(({ revision }) => revision)),
      bigintArray(receipts.map(({ events }) => events)),
      textArray(receipts.map(({ fingerprint }) => fingerprint)),
    ],
  });
  return rows[0]!.transaction;
}

interface SnapshotRow {
  readonly stream: string;
  readonly version: number;
  readonly revision: number;
  readonly position: string;
  readonly hash: string;
  readonly recorded_at: number;
  readonly state: unknown;
}

const snapshotFrom = ({ recorded_at: recordedAt, position, ...row }: SnapshotRow): Snapshot => ({
  ...row,
  recordedAt,
  position: BigInt(position),
});

async function loadReceipts(pool: pg.Pool, asked: readonly TenantCommandId[]): Promise<StoredReceipt[]> {
  const { rows } = await pool.query<Omit<StoredReceipt, 'commandId'> & { command_id: string }>({
    ...LOAD_RECEIPTS,
    values: [asked.map(({ tenant }) => tenant), asked.map(({ commandId }) => commandId)],
  });
  return rows.map(({ command_id: commandId, ...receipt }) => ({ ...receipt, commandId }));
}
