-- The embedded log. A record's offset is given under the lock of its partition's head row, which is
-- held to commit: offsets are dense and become visible in order.

create table log_heads (
  topic text not null,
  partition int not null,
  next_offset bigint not null default 0,
  -- The log's own clock, in ms since 1970; never goes back within a partition.
  last_appended_at bigint not null default 0,
  primary key (topic, partition)
) with (fillfactor = 20);

-- Beside the heads, so that the sweep of old records never waits for an append or delays one.
create table log_floors (
  topic text not null,
  partition int not null,
  first_offset bigint not null default 0,
  primary key (topic, partition)
);

create table log_records (
  topic text not null,
  partition int not null,
  "offset" bigint not null,
  appended_at bigint not null,
  bytes int not null,
  key text not null,
  header text not null,
  value bytea,
  primary key (topic, partition, "offset")
);

-- Values are sealed: compressing them costs time and gains nothing.
alter table log_records alter column value set storage external;
-- Appends come at the end of each partition's key range and are read once soon after.
alter table log_records set (autovacuum_vacuum_insert_scale_factor = 0.5);
