drop table log_records;
drop table log_floors;
drop table log_heads;
