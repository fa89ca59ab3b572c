import type pg from 'pg';
import { createReceiptFilter } from './receipt-filter.js';
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
  fingerprint text not null,
  primary key (tenant, command_id, stream)
);
do $$ begin
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
  text: `select stream, version, revision::float8 as revision, position::text as position, hash, recorded_at::float8 as recorded_at, state
         from write_cache.snapshots where stream = any($1::text[])`,
};
const LOAD_RECEIPTS = {
  name: 'load-receipts',
  text: `select r.tenant, r.command_id, r.stream, r.revision::float8 as revision, r.events, r.fingerprint
         from unnest($1::text[], $2::text[]) as asked(tenant, command_id)
         join write_cache.receipts r on r.tenant = asked.tenant and r.command_id = asked.command_id`,
};
const SAVE = {
  name: 'save-snapshot',
  text: `with stored as (
           insert into write_cache.receipts (tenant, command_id, stream, revision, events, fingerprint)
           select * from unnest($8::text[], $9::text[], $10::text[], $11::bigint[], $12::int[], $13::text[])
           on conflict do nothing),
         snapshot as (
           insert into write_cache.snapshots as s (stream, version, revision, position, hash, recorded_at, state)
           values ($1, $2, $3, $4, $5, $6, $7)
           on conflict (stream) do update set version = excluded.version, revision = excluded.revision,
             position = excluded.position, hash = excluded.hash, recorded_at = excluded.recorded_at, state = excluded.state
           where s.revision < excluded.revision or s.version <> excluded.version)
         select pg_current_xact_id()::text as transaction`,
};

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
  return {
    async load(streams, commandIds): Promise<CachedWrites> {
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
    },
    async save(snapshot, receipts) {
      filter.saving(receipts);
      const { rows } = await pool.query<{ transaction: string }>({
        ...SAVE,
        values: [
          snapshot.stream,
          snapshot.version,
          snapshot.revision,
          snapshot.position,
          snapshot.hash,
          snapshot.recordedAt,
          JSON.stringify(snapshot.state),
          receipts.map(({ tenant }) => tenant),
          receipts.map(({ commandId }) => commandId),
          receipts.map(({ stream }) => stream),
          receipts.map(({ revision }) => revision),
          receipts.map(({ events }) => events),
          receipts.map(({ fingerprint }) => fingerprint),
        ],
      });
      filter.saved(rows[0]!.transaction);
    },
  };
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
