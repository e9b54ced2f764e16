-- The gateway answers with rows and the position they stand at, read in one transaction as the role
-- that owns nothing (design section 6): it may read marks, and the sequences of its own tenant.

do $$
begin
  if not exists (select from pg_roles where rolname = 'trunkline_reader') then
    create role trunkline_reader nologin;
  end if;
exception
  -- Roles belong to the cluster: another database or another station may make it at this moment.
  when duplicate_object or unique_violation then null;
end
$$;

alter table mark_sequences enable row level security;
create policy reader on mark_sequences for select to trunkline_reader
  using (tenant_id = (select nullif(current_setting('trunkline.tenant', true), '')));
grant select on marks, mark_sequences to trunkline_reader;
