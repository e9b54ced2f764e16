drop table scheduler_lease;
