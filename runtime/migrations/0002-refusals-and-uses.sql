-- What ingest writes beside the log, in batches and never in the way of a delivery: the last refusals of
-- each endpoint, and how often each credential was used. Every key begins with tenant_id.

-- No body, no header but classes of two, no whole address.
create table endpoint_refusals (
  tenant_id text not null,
  endpoint_id text not null,
  refusal_id bigint generated always as identity,
  refused_at timestamptz not null,
  layer text not null,
  code text not null,
  cause text not null,
  also text,
  other_endpoint text,
  looks_like text,
  -- Signed time minus ours; null where none is signed.
  signed_offset_ms bigint,
  method text not null,
  content_type text,
  agent text,
  body_bytes int not null,
  network text not null,
  correlation_id text not null,
  -- Refusals of this endpoint since the row before that were counted and not written.
  unwritten int not null,
  primary key (tenant_id, endpoint_id, refusal_id),
  foreign key (tenant_id, endpoint_id) references endpoints
);
create index endpoint_refusals_by_time on endpoint_refusals (tenant_id, endpoint_id, refused_at);

create table credential_uses (
  tenant_id text not null,
  endpoint_id text not null,
  credential_id bigint not null,
  uses bigint not null,
  last_used_at timestamptz not null,
  primary key (tenant_id, endpoint_id, credential_id),
  foreign key (tenant_id, endpoint_id, credential_id) references endpoint_credentials
);

-- FORCE binds the owner too, so the owner gets its own policy; the reader gets one tenant.
do $$
declare
  name text;
begin
  foreach name in array array['endpoint_refusals', 'credential_uses'] loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format('create policy owner on %I for all to current_user using (true) with check (true)', name);
  end loop;
  foreach name in array array['endpoint_refusals', 'credential_uses', 'endpoint_credentials'] loop
    execute format(
      'create policy one_tenant on %I for select to trunkline_reader
         using (tenant_id = (select nullif(current_setting(''trunkline.tenant'', true), '''')))', name);
  end loop;
end $$;

grant select on endpoint_refusals, credential_uses to trunkline_reader;
-- Never what is sealed.
grant select (tenant_id, endpoint_id, credential_id, created_at, expires_at)
  on endpoint_credentials to trunkline_reader;
