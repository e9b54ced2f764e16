-- The way back: the read model goes, the log stays.
alter table stats_minute drop column records;
drop table records;
