revoke select (tenant_id, endpoint_id, credential_id, created_at, expires_at)
  on endpoint_credentials from trunkline_reader;
drop policy one_tenant on endpoint_credentials;
drop table credential_uses, endpoint_refusals;
