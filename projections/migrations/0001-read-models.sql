-- Read models of the projections station. Every row is derived from trunkline.events and can be thrown
-- away and rebuilt. Every key and index begins with tenant_id. Times are ms since 1970 unless the
-- name says otherwise; ids compare byte-wise (collate "C"), so that every order is the same everywhere.
-- Columns that hold JSON are text: read models keep the bytes of the event, not a reading of them.

do $$
begin
  -- Roles belong to the server: another database or another station may have made it, or makes it now.
  if not exists (select from pg_roles where rolname = 'trunkline_reader') then
    create role trunkline_reader nologin;
  end if;
exception
  when duplicate_object or unique_violation then null;
end
$$;

create table calls (
  tenant_id text collate "C" not null,
  id text collate "C" not null,
  provider text collate "C" not null,
  status text collate "C" not null,
  entered_at bigint not null,
  reason text,
  source_fact text,
  inferred boolean not null,
  cause text,
  provider_code text,
  direction text collate "C",
  from_party text,
  from_subject text collate "C",
  to_party text,
  to_subject text collate "C",
  started_at bigint not null,
  ringing_at bigint,
  answered_at bigint,
  ended_at bigint,
  duration_sec double precision,
  amd text,
  recordings integer not null,
  fact_count integer not null,
  refused_count integer not null,
  seq bigint not null,
  primary key (tenant_id, id)
) with (fillfactor = 80);
create index calls_by_start on calls (tenant_id, started_at desc, id);
create index calls_by_status on calls (tenant_id, status, started_at desc, id);
create index calls_by_direction on calls (tenant_id, direction, started_at desc, id);
create index calls_by_from on calls (tenant_id, from_subject, started_at desc, id)
  where from_subject is not null;
create index calls_by_to on calls (tenant_id, to_subject, started_at desc, id)
  where to_subject is not null;

create table legs (
  tenant_id text collate "C" not null,
  call_id text collate "C" not null,
  leg_id text collate "C" not null,
  position integer not null,
  leg_ref text collate "C" not null,
  parent_ref text collate "C",
  is_primary boolean not null,
  status text collate "C" not null,
  cause text,
  provider_code text,
  direction text collate "C",
  from_party text,
  from_subject text collate "C",
  to_party text,
  to_subject text collate "C",
  started_at bigint not null,
  answered_at bigint,
  ended_at bigint,
  duration_sec double precision,
  seq bigint not null,
  primary key (tenant_id, call_id, leg_id)
) with (fillfactor = 80);
-- The parties of the primary leg are the call's own; only other legs can bring new ones.
create index legs_by_from on legs (tenant_id, from_subject, call_id)
  where not is_primary and from_subject is not null;
create index legs_by_to on legs (tenant_id, to_subject, call_id)
  where not is_primary and to_subject is not null;

create table call_timeline (
  tenant_id text collate "C" not null,
  call_id text collate "C" not null,
  entry_id text collate "C" not null,
  type text collate "C" not null,
  leg_ref text collate "C",
  status text collate "C",
  phase smallint not null,
  at_us bigint not null,
  order_seq bigint not null,
  occurred_at bigint,
  received_at bigint not null,
  inferred boolean not null,
  late boolean not null,
  refused text,
  reason text,
  provider_code text,
  details text not null,
  seq bigint not null,
  primary key (tenant_id, call_id, entry_id)
);
create index call_timeline_in_order
  on call_timeline (tenant_id, call_id, phase, at_us, order_seq, entry_id);

create table messages (
  tenant_id text collate "C" not null,
  id text collate "C" not null,
  provider text collate "C" not null,
  direction text collate "C",
  status text collate "C" not null,
  provider_status text not null,
  provider_code text,
  opt_out text,
  from_party text,
  from_subject text collate "C",
  to_party text,
  to_subject text collate "C",
  body text,
  media_count integer not null,
  created_at bigint not null,
  updated_at bigint not null,
  fact_count integer not null,
  seq bigint not null,
  primary key (tenant_id, id)
) with (fillfactor = 80);
create index messages_by_creation on messages (tenant_id, created_at desc, id);
create index messages_by_status on messages (tenant_id, status, created_at desc, id);
create index messages_by_direction on messages (tenant_id, direction, created_at desc, id);
create index messages_by_from on messages (tenant_id, from_subject, created_at desc, id)
  where from_subject is not null;
create index messages_by_to on messages (tenant_id, to_subject, created_at desc, id)
  where to_subject is not null;

-- Counts of events by the minute (UTC, ms of its begin) in which their fact was received.
create table stats_minute (
  tenant_id text collate "C" not null,
  minute bigint not null,
  started bigint not null,
  answered bigint not null,
  completed bigint not null,
  failed bigint not null,
  inbound_messages bigint not null,
  outbound_messages bigint not null,
  duplicates bigint not null,
  refused bigint not null,
  not_understood bigint not null,
  parked bigint not null,
  primary key (tenant_id, minute)
) with (fillfactor = 50);

-- Verified deliveries that were not understood and name no call: kept where they can be seen.
create table unattributed (
  tenant_id text collate "C" not null,
  seq bigint not null,
  provider text collate "C",
  event_type text not null,
  received_at bigint not null,
  reason text not null,
  primary key (tenant_id, seq)
);

-- The store of the decisions (design 3.3): read by processors together with the mark, in one statement.
create table aggregate_state (
  tenant_id text collate "C" not null,
  kind text collate "C" not null,
  key text collate "C" not null,
  partition integer not null,
  version integer not null,
  state text not null,
  primary key (tenant_id, kind, key)
) with (fillfactor = 70);

-- How often a rebuild has replaced rows; no tenant's data. A projector that remembers rows reads it with
-- them, and forgets what it remembers when it has changed.
create table projection_rebuilds (
  projection text primary key,
  generation bigint not null,
  rebuilt_at timestamptz not null default now()
);

-- Row-level security, the second wall. FORCE makes the owner subject to policies too, so its right to
-- write every tenant's rows is a policy that can be seen, not an exception that cannot. The reader
-- owns nothing, may only select, and sees the tenant of its transaction; without one, nothing. The
-- setting is read in a subselect, once per statement.
do $$
declare
  name text;
begin
  foreach name in array array[
    'calls', 'legs', 'call_timeline', 'messages', 'stats_minute', 'unattributed', 'aggregate_state'
  ] loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format('create policy writer on %I for all to current_user using (true) with check (true)', name);
    execute format(
      'create policy reader on %I for select to trunkline_reader
         using (tenant_id = (select nullif(current_setting(''trunkline.tenant'', true), '''')))', name);
  end loop;
end
$$;
-- aggregate_state is not granted: only processors read it, as the owner.
grant select on calls, legs, call_timeline, messages, stats_minute, unattributed to trunkline_reader;
