-- Tenants, endpoints, API keys and wrapped keys. Every key and index begins with tenant_id.
-- trunkline_reader sees the rows of one tenant and no credential, hash or wrapped key.

create table tenants (
  tenant_id text primary key,
  name text not null,
  created_at timestamptz not null default now()
);

create table endpoints (
  tenant_id text not null references tenants,
  endpoint_id text not null,
  provider text not null,
  name text not null,
  -- Null: the installation's TRUNKLINE_PUBLIC_URL.
  public_base_url text,
  allow text[] not null default '{}',
  rate_per_second int,
  created_at timestamptz not null default now(),
  revoked_at timestamptz,
  primary key (tenant_id, endpoint_id)
);

create table endpoint_credentials (
  tenant_id text not null,
  endpoint_id text not null,
  credential_id bigint generated always as identity,
  sealed text not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  primary key (tenant_id, endpoint_id, credential_id),
  foreign key (tenant_id, endpoint_id) references endpoints
);

create table api_keys (
  tenant_id text not null references tenants,
  key_id text not null,
  role text not null,
  name text not null,
  secret_hash text not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  revoked_at timestamptz,
  -- The key that took over when this one was rotated.
  replaced_by text,
  primary key (tenant_id, key_id)
);

create table tenant_keys (
  tenant_id text primary key,
  wrapped bytea not null,
  created_at timestamptz not null default now()
);

-- wrapped is null once the day's key was destroyed.
create table day_keys (
  tenant_id text not null,
  day date not null,
  wrapped bytea,
  created_at timestamptz not null default now(),
  destroyed_at timestamptz,
  primary key (tenant_id, day)
);

-- wrapped is null once the subject was erased; a subject that comes back gets another key id.
create table subject_keys (
  tenant_id text not null,
  key_id text not null,
  subject_id text not null,
  wrapped bytea,
  created_at timestamptz not null default now(),
  destroyed_at timestamptz,
  primary key (tenant_id, key_id)
);
create unique index subject_keys_live on subject_keys (tenant_id, subject_id)
  where wrapped is not null;

-- FORCE binds the owner too, so the owner gets its own policy; the reader gets one tenant.
do $$
declare
  name text;
begin
  foreach name in array array['tenants', 'endpoints', 'endpoint_credentials', 'api_keys',
                              'tenant_keys', 'day_keys', 'subject_keys'] loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format('create policy owner on %I for all to current_user using (true) with check (true)', name);
  end loop;
  foreach name in array array['tenants', 'endpoints', 'api_keys'] loop
    execute format(
      'create policy one_tenant on %I for select to trunkline_reader
         using (tenant_id = (select nullif(current_setting(''trunkline.tenant'', true), '''')))', name);
  end loop;
end $$;

grant select on tenants, endpoints to trunkline_reader;
grant select (tenant_id, key_id, role, name, created_at, expires_at, revoked_at)
  on api_keys to trunkline_reader;

-- Every process that caches the registry listens.
create function trunkline_registry_changed() returns trigger language plpgsql as $$
begin
  perform pg_notify('trunkline_registry', '');
  return null;
end $$;

create trigger changed after insert or update or delete or truncate on tenants
  for each statement execute function trunkline_registry_changed();
create trigger changed after insert or update or delete or truncate on endpoints
  for each statement execute function trunkline_registry_changed();
create trigger changed after insert or update or delete or truncate on endpoint_credentials
  for each statement execute function trunkline_registry_changed();
create trigger changed after insert or update or delete or truncate on api_keys
  for each statement execute function trunkline_registry_changed();
