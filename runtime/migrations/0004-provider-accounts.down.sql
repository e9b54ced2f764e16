drop table provider_accounts;
