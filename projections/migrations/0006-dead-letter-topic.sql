-- How far the topic of dead letters follows the read model, by tenant (decision 0013). No read model: it says what
-- was told, and is not rebuilt.

create table dead_letter_topic (
  tenant_id text collate "C" primary key,
  seq bigint not null
);
create index dead_letter_states_by_seq on dead_letter_states (tenant_id, seq);
