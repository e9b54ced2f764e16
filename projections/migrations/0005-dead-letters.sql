-- Read model `dead_letters` (decision 0013): what was parked, how it stands, what operators did about it. Made
-- of events alone; nothing personal is in them in the clear.

create table dead_letters (
  tenant_id text collate "C" not null,
  id text collate "C" not null,
  seq bigint not null,
  provider text collate "C" not null,
  source_topic text collate "C" not null,
  source_offset bigint not null,
  source_at bigint not null,
  received_at bigint not null,
  delivery_id text collate "C",
  endpoint text collate "C",
  record_bytes integer not null,
  is_carried boolean not null,
  facts text not null,
  correlation_id text collate "C" not null,
  primary key (tenant_id, id)
);

create table dead_letter_states (
  tenant_id text collate "C" not null,
  id text collate "C" not null,
  state text collate "C" not null,
  queue_id text collate "C" not null,
  error_class text collate "C" not null,
  error_code text collate "C" not null,
  error text not null,
  attempts integer not null,
  source_at bigint not null,
  updated_at bigint not null,
  seq bigint not null,
  primary key (tenant_id, id)
) with (fillfactor = 80);
create index dead_letter_states_by_age on dead_letter_states (tenant_id, state, source_at desc, id);
create index dead_letter_states_by_queue on dead_letter_states (tenant_id, queue_id) where state = 'open';
create index dead_letter_states_open on dead_letter_states (tenant_id, error_class, source_at)
  where state = 'open';

create table dead_letter_acts (
  tenant_id text collate "C" not null,
  seq bigint not null,
  act_id text collate "C" not null,
  letter_id text collate "C" not null,
  act text collate "C" not null,
  actor text collate "C" not null,
  reason text not null,
  outcome text collate "C" not null,
  released integer not null,
  remaining integer not null,
  failed text collate "C",
  at bigint not null,
  primary key (tenant_id, seq)
);
create index dead_letter_acts_by_letter on dead_letter_acts (tenant_id, letter_id, seq);

-- As in 0001: the second wall.
do $$
declare name text;
begin
  foreach name in array array['dead_letters', 'dead_letter_states', 'dead_letter_acts'] loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format('create policy writer on %I for all to current_user using (true) with check (true)', name);
    execute format(
      'create policy reader on %I for select to trunkline_reader
         using (tenant_id = (select nullif(current_setting(''trunkline.tenant'', true), '''')))', name);
  end loop;
end
$$;
grant select on dead_letters, dead_letter_states, dead_letter_acts to trunkline_reader;
