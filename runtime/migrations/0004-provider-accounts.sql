-- Accounts at providers whose API may be asked after calls. The credentials are sealed under the tenant's key.
-- Not granted to trunkline_reader: only the scheduler and the command line read it, as the owner.
create table provider_accounts (
  tenant_id text not null references tenants,
  account_id text not null,
  provider text not null,
  name text not null,
  -- Null: where the provider's own API is.
  base_url text,
  sealed text not null,
  created_at timestamptz not null default now(),
  changed_at timestamptz not null default now(),
  revoked_at timestamptz,
  -- How far its list of calls was held against ours; and a run that was interrupted: since when, and where.
  reconciled_until timestamptz,
  run_since timestamptz,
  run_cursor text,
  primary key (tenant_id, account_id)
);
create index provider_accounts_live on provider_accounts (tenant_id, provider)
  where revoked_at is null;
alter table provider_accounts enable row level security;
alter table provider_accounts force row level security;
create policy owner on provider_accounts for all to current_user using (true) with check (true);
