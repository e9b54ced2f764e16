-- The way back: the read model goes, the log stays.
drop index aggregate_state_queues;
