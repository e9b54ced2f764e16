// The topic of dead letters, on a real Postgres (services/): what changed is told once, in order, by one process at
// a time; what was appended and not noted is told again under the same number.

import { afterAll, beforeAll, expect, test } from 'vitest';

import { createMemoryLog, MemoryStore, type AppendFate } from '../../log/memory.js';
import { parseHeader } from '../../log/record-header.js';
import { partitionOf } from '../../log/topics.js';
import { tellDeadLetters, tellOnce } from '../../projections/dead-letter-topic.js';
import { silentLogger } from '../../runtime/logger.js';
import type { Database } from '../../runtime/postgres.js';
import { tenantId } from '../../schemas/ids.js';
import { until } from '../services/shared.js';
import { codec, freshStore, listeningLogger } from './station.js';

const store = new MemoryStore({ partitions: 2 });
const acme = tenantId('acme');
const globex = tenantId('globex');
let database: Database;
const fates: AppendFate[] = [];
const log = createMemoryLog(store, {
  step: () => Promise.resolve(),
  fate: () => fates.shift() ?? 'ok',
  later: () => undefined,
  timer: () => () => undefined,
});

beforeAll(async () => {
  ({ database } = await freshStore());
});
afterAll(() => database.end());

/** As the projection leaves it after an event with this number. */
async function happen(tenant: string, id: string, seq: number, state = 'open'): Promise<void> {
  await database.query(
    `insert into dead_letters values ($1, $2, $3, 'twilio', 'deliveries', 7, 1000, 1001, 'd1', 'ep_1', 300,
        true, '[{"kind":"call","eventType":"note","ref":"CA1","from":"+1 555 ••• 0142","to":null}]', 'c')
      on conflict do nothing`,
    [tenant, id, seq],
  );
  await database.query(
    `insert into dead_letter_states values ($1, $2, $4, $2, 'bug', 'decide_failed', 'RangeError', 1, 1000, 1002, $3)
      on conflict (tenant_id, id) do update set state = excluded.state, seq = excluded.seq`,
    [tenant, id, seq, state],
  );
}

const told = (tenant = acme): readonly string[] =>
  store.records('dead-letters', partitionOf(tenant, 2)).flatMap(({ key, header, value }) => {
    if (key !== tenant || value === null) return [];
    const letter = codec.decodeDeadLetter(value);
    expect(parseHeader(header)).toEqual({ kind: 'letter', seq: letter.seq, letterId: letter.id });
    return [`${letter.seq} ${letter.id} ${letter.state}`];
  });
const tell = () => tellOnce({ log, codec, database });

test('each change is told once, in the order of its tenant', async () => {
  expect(await tell()).toBe(0);
  await happen(acme, 'evt_a', 3);
  await happen(acme, 'evt_b', 5);
  await happen(globex, 'evt_c', 1);
  expect(await tell()).toBe(3);
  expect(await tell()).toBe(0);
  await happen(acme, 'evt_a', 9, 'retried');
  expect(await tell()).toBe(1);
  expect(told()).toEqual(['3 evt_a open', '5 evt_b open', '9 evt_a retried']);
  expect(told(globex)).toEqual(['1 evt_c open']);
  const [record] = store.records('dead-letters', partitionOf(acme, 2));
  expect(codec.decodeDeadLetter(record?.value ?? Buffer.alloc(0))).toMatchObject({
    ...{ tenant: 'acme', errorClass: 'bug', sourceTopic: 'deliveries', sourceOffset: 7 },
    facts: [{ from: '+1 555 ••• 0142' }],
  });
});

test('an append of unknown outcome is told again under the same number', async () => {
  await happen(acme, 'evt_d', 11);
  fates.push('unacked');
  await expect(tell()).rejects.toMatchObject({ code: 'append_unknown' });
  expect(await tell()).toBe(1);
  expect(told().filter((text) => text.startsWith('11 '))).toEqual([
    ...['11 evt_d open', '11 evt_d open'],
  ]);
});

test('of two processes one tells at a time, and both end when they are asked to', async () => {
  const stop = new AbortController();
  const deps = { log, codec, database, logger: silentLogger };
  const running = [1, 2].map(() => tellDeadLetters(deps, stop.signal));
  for (let seq = 20; seq < 30; seq += 1) await happen(acme, `evt_${seq}`, seq);
  await until('the last', () => told().includes('29 evt_29 open'));
  stop.abort();
  await Promise.all(running);
  const numbers = told().map((text) => Number(text.split(' ')[0]));
  expect(numbers.filter((seq) => seq >= 20)).toEqual([20, 21, 22, 23, 24, 25, 26, 27, 28, 29]);
});

test('a log that is away is said once, and what waited is told when it is back', async () => {
  const stop = new AbortController();
  const logger = listeningLogger();
  await happen(acme, 'evt_40', 40);
  fates.push('lost');
  const running = tellDeadLetters({ log, codec, database, logger }, stop.signal);
  await until('the letter', () => told().includes('40 evt_40 open'));
  stop.abort();
  await running;
  expect(logger.codes).toEqual(['dead_letters_untold']);
});
