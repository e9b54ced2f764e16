-- Which scheduler is at work. One row, no tenant's data. Whoever finds `beats` unchanged for as long as a
-- lease lasts, by a clock of its own that never jumps, takes it over with the next term.
create table scheduler_lease (
  name text primary key,
  -- Empty: given back.
  holder text not null,
  term bigint not null,
  beats bigint not null,
  -- For people; nothing is decided by it.
  renewed_at timestamptz not null default now()
);
