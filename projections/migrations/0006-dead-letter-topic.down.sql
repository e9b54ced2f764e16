-- The way back: the topic is told from the beginning again; its records say which are copies.
drop index dead_letter_states_by_seq;
drop table dead_letter_topic;
