-- Queues of parked facts (decision 0013): at a takeover an owner reads all that are open in its partition.

create index aggregate_state_queues on aggregate_state (tenant_id, partition) where kind = 'queue';
