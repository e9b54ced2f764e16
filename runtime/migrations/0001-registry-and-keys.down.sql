drop table subject_keys, day_keys, tenant_keys, api_keys, endpoint_credentials, endpoints, tenants;
drop function trunkline_registry_changed();
