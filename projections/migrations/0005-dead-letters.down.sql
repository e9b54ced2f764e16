-- The way back: the read model goes, the log stays.
drop table dead_letters, dead_letter_states, dead_letter_acts;
