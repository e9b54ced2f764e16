drop table mark_sequences;
drop table marks;
