/** Appends; `last` is done before it returns. Written as it stands in the first step, so that a later one differs where it says. */
const append = (last: string): string => `
  -- Appends batches of different streams: streams[i] at expected[i]. The events of all batches lie flat, batch after
  -- batch, in the event_ arrays. base: the position before the first event written; unwritten: null, or the batches not
  -- written: [index from 0, current revision, positions if those very events stand there already, else null].
  create or replace function event_store.append(
    streams text[], expected bigint[],
    event_streams text[], event_revisions bigint[], event_ids uuid[], event_types text[], event_data json[], event_metadata json[],
    out base bigint, out unwritten json
  ) language plpgsql as $$
  declare
    total constant bigint := cardinality(event_ids);
    refused text[];
    written bigint;
  begin
    -- The row lock is held to the end of the transaction: whoever has it sees every event before it, and nobody
    -- else writes. Thus positions are dense and become visible in their order. Every statement below reads anew.
    update event_store.log_head set position = position + total where id = 1 returning position - total into strict base;

    select array_agg(b.stream) into refused
      from unnest(streams, expected) as b(stream, expected)
     where b.expected <> coalesce(
       (select e.revision from event_store.events e where e.stream = b.stream order by e.revision desc limit 1), -1);

    if refused is null then
      insert into event_store.events (position, stream, revision, id, type, data, metadata)
      select base + n, stream, revision, id, type, data, metadata
        from unnest(event_streams, event_revisions, event_ids, event_types, event_data, event_metadata)
             with ordinality as sent(stream, revision, id, type, data, metadata, n);
      written := total;
    else
      select json_agg(json_build_array(b.n - 1, coalesce(now.revision, -1), stands.positions) order by b.n) into unwritten
        from unnest(streams, expected) with ordinality as b(stream, expected, n)
        left join lateral (
          select e.revision from event_store.events e where e.stream = b.stream order by e.revision desc limit 1
        ) now on true
        left join (
          select sent.stream, json_agg(e.position::text order by e.revision) as positions
            from unnest(event_streams, event_revisions, event_ids) as sent(stream, revision, id)
            left join event_store.events e on e.stream = sent.stream and e.revision = sent.revision and e.id = sent.id
           where sent.stream = any (refused)
           group by sent.stream
          having count(*) = count(e.position)
        ) stands on stands.stream = b.stream
       where b.stream = any (refused);

      insert into event_store.events (position, stream, revision, id, type, data, metadata)
      select base + row_number() over (order by n), stream, revision, id, type, data, metadata
        from unnest(event_streams, event_revisions, event_ids, event_types, event_data, event_metadata)
             with ordinality as sent(stream, revision, id, type, data, metadata, n)
       where stream <> all (refused);
      get diagnostics written = row_count;
      update event_store.log_head set position = base + written where id = 1;
    end if;

${last}  end $$;
`;

/**
 * The schema `event_store`, as numbered steps. A step that was released is never edited: a change is a new step.
 * Each runs once, in order, and is recorded in `event_store.schema_steps`.
 */
export const SCHEMA_STEPS: readonly string[] = [
  `
  create table event_store.events (
    position bigint primary key,
    stream   text collate "C" not null,
    revision bigint not null,
    id       uuid not null,
    type     text not null,
    data     json not null, -- json, not jsonb: the text stays as it was sent
    metadata json not null,
    unique (stream, revision)
  );

  create table event_store.log_head (
    id       int primary key check (id = 1),
    position bigint not null,
    identity uuid not null
  ) with (fillfactor = 10); -- room for the row's next versions on its own page
  insert into event_store.log_head values (1, 0, gen_random_uuid());

  create function event_store.refuse() returns trigger language plpgsql as $$
  begin
    raise exception '%', tg_argv[0] using errcode = 'restrict_violation';
  end $$;
  create trigger never_changed before update or delete or truncate on event_store.events
    for each statement execute function event_store.refuse('events are never changed or removed');
  create trigger never_removed before delete or truncate on event_store.log_head
    for each statement execute function event_store.refuse('the head of the log is never removed');
  alter table event_store.events enable always trigger never_changed;
  alter table event_store.log_head enable always trigger never_removed;
  ${append(`
    if written > 0 then
      perform pg_notify('event_store', ''); -- a wake-up, never the data
    end if;`)}
  `,
  // whoever appends tells of it behind the append: in its transaction it holds up every other one
  append(''),
];
