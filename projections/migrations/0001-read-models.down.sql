-- The way back: the read models go, the log stays. The role stays too, it is not this set's alone.
drop table projection_rebuilds, aggregate_state, unattributed, stats_minute, messages, call_timeline, legs, calls;
