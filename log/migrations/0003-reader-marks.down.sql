revoke select on marks, mark_sequences from trunkline_reader;
drop policy reader on mark_sequences;
alter table mark_sequences disable row level security;
