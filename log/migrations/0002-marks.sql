-- Marks (design 3.2, rule 5): written in the transaction of a projection's rows, read in one statement.

create table marks (
  projection text not null,
  version int not null,
  partition int not null,
  epoch text,
  next_offset bigint not null,
  owner text,
  term bigint not null,
  covered_realtime bigint not null,
  covered_bulk bigint not null,
  updated_at timestamptz not null default now(),
  primary key (projection, version, partition)
) with (fillfactor = 30);

create table mark_sequences (
  projection text not null,
  version int not null,
  partition int not null,
  tenant_id text not null,
  last_seq bigint not null,
  primary key (projection, version, partition, tenant_id)
) with (fillfactor = 50);
