-- Read model `records`: members, subscriptions and objects of other senders (decision 0011); and how many of
-- their facts a minute brought. No event before this migration holds one, so the count begins at 0.

create table records (
  tenant_id text collate "C" not null,
  id text collate "C" not null,
  provider text collate "C" not null,
  area text collate "C" not null,
  object_type text collate "C" not null,
  object_ref text collate "C" not null,
  parent_ref text collate "C",
  status text collate "C",
  deleted boolean not null,
  last_event text collate "C" not null,
  details text not null,
  subject text collate "C",
  personal text not null,
  created_at bigint not null,
  updated_at bigint not null,
  fact_count integer not null,
  seq bigint not null,
  primary key (tenant_id, id)
) with (fillfactor = 80);
create index records_by_creation on records (tenant_id, created_at desc, id);
create index records_by_area on records (tenant_id, area, created_at desc, id);
create index records_by_type on records (tenant_id, object_type, created_at desc, id);
create index records_by_parent on records (tenant_id, parent_ref, created_at desc, id)
  where parent_ref is not null;
create index records_by_subject on records (tenant_id, subject) where subject is not null;

alter table stats_minute add column records bigint not null default 0;

-- As in 0001: the second wall.
alter table records enable row level security;
alter table records force row level security;
create policy writer on records for all to current_user using (true) with check (true);
create policy reader on records for select to trunkline_reader
  using (tenant_id = (select nullif(current_setting('trunkline.tenant', true), '')));
grant select on records to trunkline_reader;
