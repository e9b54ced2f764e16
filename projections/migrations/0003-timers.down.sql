-- The way back: the read model goes, the log stays.
alter table calls drop column settled_at;
drop table timers;
