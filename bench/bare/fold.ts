// Bench baseline: what a decision costs by itself. The deliveries are in memory; they are decoded, opened,
// sealed and folded on states in a Map, in one process. No log, no store, nothing encoded.

import { createLocalCodec } from '../../log/event-codec.js';
import type { SourceRecord } from '../../log/owner.js';
import { decideFacts } from '../../processors/decide-input.js';
import { openInputs } from '../../processors/open.js';
import { nameOf } from '../../schemas/aggregates.js';
import { sealFacts } from '../../processors/seal.js';
import type { BatchStates } from '../../processors/state.js';
import { createPostgresKeyStore } from '../../runtime/key-store.js';
import { createKeyRing } from '../../runtime/keys.js';
import { openDatabase } from '../../runtime/postgres.js';
import type { AggregateState } from '../../schemas/aggregates.js';
import { partOptions, say } from '../measure.js';
import { readRecords, type Stretch } from '../read-records.js';

interface Options extends Stretch {
  readonly databaseUrl: string;
  readonly masterKey: string;
  readonly warm: number;
}

const options = partOptions<Options>();
const inputs = (await readRecords('deliveries', options)).map((record): SourceRecord => ({
  ...record,
  lane: 'realtime',
}));
const database = openDatabase({ url: options.databaseUrl, max: 2, applicationName: 'bench' });
const keyRing = createKeyRing(
  Buffer.from(options.masterKey, 'base64'),
  createPostgresKeyStore(database),
);
const codec = createLocalCodec();
const all = new Map<string, AggregateState>();
const states: BatchStates = {
  get: (ref) => all.get(nameOf(ref)) ?? null,
  set: (ref, state) => void all.set(nameOf(ref), state),
  commit: () => undefined,
  discard: () => undefined,
};

const perBatch = 256;
let bodies = 0;
let begin = { at: 0, cpu: process.cpuUsage(), done: 0 };
for (let at = 0; at < inputs.length; at += perBatch) {
  if (at <= inputs.length * options.warm) {
    begin = { at: performance.now(), cpu: process.cpuUsage(), done: at };
  }
  const opened = await openInputs(codec, keyRing, inputs.slice(at, at + perBatch));
  const readable = opened.filter((one) => one.ok);
  const sealed = await sealFacts(
    keyRing,
    readable.map(({ record, facts }) => ({ ...record, facts })),
  );
  readable.forEach(({ record }, i) => {
    bodies += decideFacts(record, sealed[i] ?? [], states).length;
  });
}
const count = inputs.length - begin.done;
const { user, system } = process.cpuUsage(begin.cpu);
const seconds = (performance.now() - begin.at) / 1000;
say({ rate: count / seconds, cpuUs: (user + system) / count, bodies });
await database.end();
