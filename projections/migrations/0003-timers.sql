-- Read model `timers`: the timer that each call has armed (decision 0014); and when a call was settled.

create table timers (
  tenant_id text collate "C" not null,
  subject text collate "C" not null,
  name text collate "C" not null,
  timer_id text collate "C" not null,
  provider text collate "C" not null,
  status text collate "C" not null,
  since bigint not null,
  due_at bigint not null,
  seq bigint not null,
  primary key (tenant_id, subject)
) with (fillfactor = 70);
create index timers_by_due on timers (tenant_id, due_at, subject);
-- Calls whose provider is to be asked: few, and looked for every second.
create index timers_to_ask on timers (tenant_id, due_at, subject) where name = 'inference';

-- Of calls that ended before this migration nobody knows: null.
alter table calls add column settled_at bigint;

-- As in 0001: the second wall. Only the scheduler reads it, as the owner: it is not granted.
alter table timers enable row level security;
alter table timers force row level security;
create policy writer on timers for all to current_user using (true) with check (true);
create policy reader on timers for select to trunkline_reader
  using (tenant_id = (select nullif(current_setting('trunkline.tenant', true), '')));
