// One owner per partition: what it appends, how batches are cut, what ends it and what stops it.

import { describe, expect, it } from 'vitest';
import type { EventLog, FetchedRecords, StoredRecord } from '../../log/event-log.js';
import { startMark, type Mark } from '../../log/mark.js';
import { createMemoryLog, MemoryStore, type MemorySchedule } from '../../log/memory.js';
import {
  ownPartition,
  type Decider,
  type OwnerOptions,
  type SourceRecord,
} from '../../log/owner.js';
import { formatHeader, noTenant, parseOwnedHeader } from '../../log/record-header.js';
import { PartitionReader } from '../../log/sequence.js';
import { TrunklineError } from '../../runtime/errors.js';
import { epoch, offset, ownerId, tenantId } from '../../schemas/ids.js';
import { draftOf, encodePayload, inputName } from './simulation/inputs.js';

const tenant = tenantId('a');
const fact = formatHeader({ kind: 'fact' });

function addInputs(store: MemoryStore, lane: 'realtime' | 'bulk', count: number): void {
  const topic = lane === 'realtime' ? 'deliveries' : 'deliveries.bulk';
  for (let i = 0; i < count; i += 1) {
    store.land(topic, 0, [{ key: tenant, header: fact, value: Buffer.from('{}') }]);
  }
}

/** A decider with one output for each input, unless told otherwise. */
class TestDecider implements Decider {
  readonly log: string[] = [];
  outputsOf: (input: SourceRecord) => readonly string[] = (input) => [inputName(input)];

  async decide(inputs: readonly SourceRecord[]): ReturnType<Decider['decide']> {
    this.log.push(`decide ${inputs.map(inputName).join(' ')}`);
    return inputs.map((input) => this.outputsOf(input).map((text, index) => draft(text, index)));
  }
  revoke(): void {
    this.log.push('revoke');
  }
  park(input: SourceRecord): ReturnType<Decider['park']> {
    this.log.push(`park ${inputName(input)}`);
    return [draft(`parked-${inputName(input)}`, 0)];
  }
  acknowledged(placed: Parameters<Decider['acknowledged']>[0]): void {
    const text = placed.map(({ draft, offset, seq }) => `${draft.eventId}@${offset}#${seq}`);
    this.log.push(`acknowledged ${text.join(' ')}`);
  }
}

/** The text is in the payload, so its length makes an output large. */
const draft = (text: string, index: number): ReturnType<typeof draftOf> =>
  draftOf({
    ...{ tenant, input: text.slice(0, 20), index, of: 1, contact: false, isFirst: false },
    ...{ call: text.slice(20), before: { call: '', contact: '' } },
  });

interface Scene {
  readonly store?: MemoryStore;
  readonly schedule?: MemorySchedule;
  readonly decider?: Decider;
  readonly options?: Partial<OwnerOptions>;
}

/** Owns the partition until `isEnough`; resolves with what was observed. */
async function own(
  { store = new MemoryStore(), schedule, decider = new TestDecider(), options }: Scene,
  isEnough: (seen: readonly string[]) => boolean,
): Promise<readonly string[]> {
  const stop = new AbortController();
  const seen: string[] = [];
  const see = (text: string): void => {
    seen.push(text);
    if (isEnough(seen)) stop.abort();
  };
  await ownPartition({
    log: createMemoryLog(store, schedule),
    partition: 0,
    readMark: () => Promise.resolve(startMark),
    begin: () => Promise.resolve(decider),
    encode: encodePayload,
    maxInputs: 100,
    signal: stop.signal,
    sleep: () => Promise.resolve(),
    observe: {
      taken: ({ term }) => see(`taken ${term}`),
      ended: ({ reason }) => see(`ended ${reason}`),
      appended: ({ inputs, events }) => see(`appended ${inputs} ${events}`),
      parked: () => see('parked'),
    },
    ...options,
  });
  return seen;
}

const appended = (seen: readonly string[]): number =>
  seen.reduce((sum, text) => sum + Number(/^appended (\d+)/.exec(text)?.[1] ?? 0), 0);

function readBack(store: MemoryStore): { readonly ids: readonly string[]; readonly mark: Mark } {
  const reader = new PartitionReader(startMark, 'events[0]');
  const ids = store.records('events', 0).flatMap((record) => {
    const verdict = reader.read(record);
    return verdict.kind === 'event' ? [verdict.event.eventId] : [];
  });
  return { ids, mark: reader.mark() };
}

const kindsOf = (store: MemoryStore): readonly string[] =>
  store.records('events', 0).map((record) => parseOwnedHeader(record.header).kind);

describe('an owner', () => {
  it('appends a marker, then the outputs with numbers and coverage, and acknowledges them', async () => {
    const store = new MemoryStore();
    addInputs(store, 'realtime', 3);
    addInputs(store, 'bulk', 1);
    const decider = new TestDecider();
    const seen = await own({ store, decider }, (s) => appended(s) === 4);
    expect(seen.at(-1)).toBe('ended stopped');
    const { ids, mark } = readBack(store);
    expect(ids).toEqual(['r0.0', 'r1.0', 'r2.0', 'b0.0']);
    expect(mark).toMatchObject({ term: 1, covered: { realtime: 2, bulk: 0 }, next: 5 });
    expect(decider.log.at(-1)).toMatch(/acknowledged .*b0\.0@4#4$/);
  });

  it('covers inputs without outputs by a checkpoint, with no event', async () => {
    const store = new MemoryStore();
    addInputs(store, 'realtime', 2);
    const decider = new TestDecider();
    decider.outputsOf = () => [];
    await own({ store, decider }, (s) => appended(s) === 2);
    expect(kindsOf(store)).toEqual(['marker', 'checkpoint']);
    expect(readBack(store).mark.covered).toEqual({ realtime: 1, bulk: -1 });
    expect(decider.log).toEqual(['decide r0 r1']);
  });

  it('resumes after what is covered, with a higher term and the same epoch', async () => {
    const store = new MemoryStore();
    addInputs(store, 'realtime', 2);
    await own({ store }, (s) => appended(s) === 2);
    const first = readBack(store).mark;
    addInputs(store, 'realtime', 1);
    await own({ store }, (s) => appended(s) === 1);
    const { ids, mark } = readBack(store);
    expect(ids).toEqual(['r0.0', 'r1.0', 'r2.0']);
    expect(mark).toMatchObject({ term: 2, epoch: first.epoch });
    expect(mark.owner).not.toBe(first.owner);
  });

  it('gives bulk every eighth place while both lanes wait, and all of it when alone', async () => {
    const store = new MemoryStore();
    addInputs(store, 'realtime', 20);
    addInputs(store, 'bulk', 5);
    await own({ store, options: { maxInputs: 10 } }, (s) => appended(s) === 25);
    const lanes = readBack(store).ids.map((id) => id[0]);
    expect(lanes.join('')).toBe('rrrrrrrbrrrrrrrbrrrrrrbbb');
  });

  it('cuts batches at the size limit between inputs, never inside one', async () => {
    const store = new MemoryStore({ maxBatchBytes: 4_000 });
    addInputs(store, 'realtime', 12);
    const decider = new TestDecider();
    decider.outputsOf = (input) => [inputName(input), `${inputName(input)}${'x'.repeat(500)}`];
    const seen = await own({ store, decider }, (s) => appended(s) === 12);
    expect(seen.filter((text) => text.startsWith('appended')).length).toBeGreaterThan(3);
    for (const text of seen.filter((one) => one.startsWith('appended'))) {
      const [, inputs, events] = text.split(' ').map(Number);
      expect(events).toBe(2 * (inputs ?? 0));
    }
  });

  it('parks one input that is too large, and decides what came after it again', async () => {
    const store = new MemoryStore({ maxBatchBytes: 4_000 });
    addInputs(store, 'realtime', 3);
    const decider = new TestDecider();
    decider.outputsOf = (input) => (input.offset === 1 ? ['x'.repeat(5_000)] : [inputName(input)]);
    const seen = await own({ store, decider }, (s) => appended(s) === 3);
    expect(seen).toContain('parked');
    expect(decider.log.slice(0, 5)).toEqual([
      'decide r0 r1 r2',
      'revoke',
      'decide r0',
      'park r1',
      'decide r2',
    ]);
    const { ids, mark } = readBack(store);
    expect(ids).toEqual(['r0.0', 'parked-r1.0', 'r2.0']);
    expect(mark.covered.realtime).toBe(2);
  });

  it('parks one input whose outputs are no values of the schema, instead of standing still', async () => {
    const store = new MemoryStore();
    addInputs(store, 'realtime', 3);
    const decider = new TestDecider();
    const encode: OwnerOptions['encode'] = (one) => {
      if (one.eventId === 'r1.0') throw new TrunklineError('value_unreadable', 'no such value');
      return encodePayload(one);
    };
    const seen = await own({ store, decider, options: { encode } }, (s) => appended(s) === 3);
    expect(seen).toEqual(['taken 1', 'parked', 'appended 3 3', 'ended stopped']);
    expect(readBack(store).ids).toEqual(['r0.0', 'parked-r1.0', 'r2.0']);
  });

  it('decides ahead while an append is in flight, but never sends a second one', async () => {
    const store = new MemoryStore();
    const schedule = gatedSchedule();
    const decider = new TestDecider();
    addInputs(store, 'realtime', 1);
    const running = own(
      { store, schedule, decider, options: { maxInputs: 1 } },
      (s) => appended(s) === 3,
    );
    schedule.open(1);
    await schedule.waiting();
    addInputs(store, 'realtime', 2);
    await expect.poll(() => decider.log).toContain('decide r1');
    expect(schedule.count()).toBe(1);
    expect(kindsOf(store)).toEqual(['marker']);
    schedule.open(Infinity);
    await running;
    expect(readBack(store).ids).toEqual(['r0.0', 'r1.0', 'r2.0']);
  });
});

/** Lets `open(n)` appends through in all, and counts those that wait. */
function gatedSchedule(): MemorySchedule & {
  open(count: number): void;
  waiting(): Promise<void>;
  count(): number;
} {
  let allowed = 0;
  let queue: (() => void)[] = [];
  let noticed: (() => void) | null = null;
  const drain = (): void => {
    while (allowed > 0 && queue.length > 0) {
      allowed -= 1;
      queue.shift()?.();
    }
    if (queue.length > 0) noticed?.();
  };
  return {
    step: (at) =>
      at !== 'append'
        ? Promise.resolve()
        : new Promise((resolve) => {
            queue = [...queue, resolve];
            drain();
          }),
    fate: () => 'ok',
    later: (land) => setImmediate(land),
    timer: (ms, fire) => {
      const timer = setTimeout(fire, ms);
      return () => {
        clearTimeout(timer);
      };
    },
    open: (count) => {
      allowed += count;
      drain();
    },
    waiting: () =>
      new Promise((resolve) => {
        noticed = resolve;
        drain();
      }),
    count: () => queue.length,
  };
}

describe('an ownership ends, and the partition is taken again,', () => {
  it('when another has taken the partition: the next ack tells', async () => {
    const store = new MemoryStore();
    addInputs(store, 'realtime', 1);
    const other = { kind: 'marker', owner: ownerId('other'), term: 7 } as const;
    const seen = await own({ store }, (s) => {
      if (s.at(-1) === 'appended 1 1' && s.length === 2) {
        const header = formatHeader({ ...other, epoch: readBack(store).mark.epoch ?? epoch('') });
        store.land('events', 0, [{ key: noTenant, header, value: null }]);
        addInputs(store, 'realtime', 1);
      }
      return appended(s) === 2;
    });
    expect(seen).toEqual([
      'taken 1',
      'appended 1 1',
      'ended deposed',
      'taken 8',
      'appended 1 1',
      'ended stopped',
    ]);
    expect(readBack(store).ids).toEqual(['r0.0', 'r1.0']);
  });

  it('when the store is so far behind that its tail would not fit: no marker until it has come nearer', async () => {
    const store = new MemoryStore();
    addInputs(store, 'realtime', 6);
    await own({ store }, (s) => appended(s) === 6);
    const { mark } = readBack(store);
    let reads = 0;
    const readMark = (): Promise<Mark> => {
      reads += 1;
      if (reads === 2) expect(store.bounds('events', 0).next).toBe(mark.next);
      return Promise.resolve(reads < 3 ? startMark : mark);
    };
    const seen = await own(
      { store, options: { readMark, maxTail: 5 } },
      (s) => s.at(-1)?.startsWith('taken') === true,
    );
    expect(seen).toEqual(['ended begin_again', 'ended begin_again', 'taken 2', 'ended stopped']);
  });

  it('when an append, the marker’s too, has no ack', async () => {
    const store = new MemoryStore();
    addInputs(store, 'realtime', 1);
    const fates = ['lost', 'ok', 'unacked'] as const;
    let appends = 0;
    const schedule = { ...gatedSchedule(), fate: () => fates[appends++] ?? 'ok' };
    schedule.open(Infinity);
    const seen = await own({ store, schedule }, (s) => s.at(-1) === 'taken 2');
    expect(seen).toEqual([
      'ended unknown_append',
      'taken 1',
      'ended unknown_append',
      'taken 2',
      'ended stopped',
    ]);
    expect(readBack(store).ids).toEqual(['r0.0']);
  });

  it('when its marker was overtaken before it was read', async () => {
    const store = new MemoryStore();
    let reads = 0;
    const readMark = (): Promise<Mark> => {
      reads += 1;
      if (reads === 1) {
        const header = formatHeader({
          kind: 'marker',
          owner: ownerId('other'),
          term: 3,
          epoch: epoch('E'),
        });
        queueMicrotask(() => store.land('events', 0, [{ key: noTenant, header, value: null }]));
      }
      return Promise.resolve(startMark);
    };
    const schedule = gatedSchedule();
    schedule.open(Infinity);
    const log = createMemoryLog(store, schedule);
    const blind: EventLog = {
      ...log,
      bounds: async (topic, partition) =>
        topic === 'events' && reads === 1
          ? { first: offset(0), next: offset(0) }
          : log.bounds(topic, partition),
    };
    const seen = await own(
      { store, options: { log: blind, readMark } },
      (s) => s.at(-1)?.startsWith('taken') === true,
    );
    expect(seen).toEqual(['ended refused', 'taken 4', 'ended stopped']);
  });

  it.each([
    ['store_behind', new TrunklineError('store_behind', 'failover')],
    ['error', new Error('a defect')],
  ])('when the decider throws: %s', async (reason, error) => {
    const store = new MemoryStore();
    addInputs(store, 'realtime', 1);
    const decider = new TestDecider();
    let throwsLeft = 1;
    decider.outputsOf = (input) => {
      throwsLeft -= 1;
      if (throwsLeft >= 0) throw error;
      return [inputName(input)];
    };
    const seen = await own({ store, decider }, (s) => appended(s) === 1);
    expect(seen).toEqual([
      'taken 1',
      `ended ${reason}`,
      'taken 2',
      'appended 1 1',
      'ended stopped',
    ]);
  });

  it('when the decider asks to begin again', async () => {
    let begins = 0;
    const begin: OwnerOptions['begin'] = () => {
      begins += 1;
      return Promise.resolve(begins === 1 ? 'again' : new TestDecider());
    };
    const seen = await own({ options: { begin } }, (s) => s.at(-1) === 'taken 2');
    expect(seen).toEqual(['ended begin_again', 'taken 2', 'ended stopped']);
  });

  it('after a random pause whose bound grows with each quick end', async () => {
    const pauses: number[] = [];
    const begin = (): Promise<'again'> => Promise.resolve('again');
    const sleep = (ms: number): Promise<void> => Promise.resolve(void pauses.push(ms));
    await own({ options: { begin, sleep, random: () => 0.5 } }, (s) => s.length === 9);
    expect(pauses.slice(0, 8)).toEqual([100, 200, 400, 800, 1600, 2500, 2500, 2500]);
  });
});

describe('a partition stops, loudly,', () => {
  const stops = async (scene: Scene): Promise<unknown> => {
    const outcome = own(scene, (s) => s.filter((text) => text.startsWith('ended')).length > 3);
    return outcome.then(
      (seen) => seen,
      (error: unknown) =>
        error instanceof TrunklineError ? `${error.code}: ${error.message}` : error,
    );
  };
  const marked = (mark: Partial<Mark>): Partial<OwnerOptions> => ({
    readMark: () => Promise.resolve({ ...startMark, ...mark }),
  });

  it('when coverage lies beyond the end of a source', async () => {
    const covered = { realtime: offset(4), bulk: offset(-1) };
    expect(await stops({ options: marked({ covered }) })).toMatch(
      /^log_loss: deliveries\[0\] holds 0 to 0, but is to be read from 5 on/,
    );
  });

  it('when a source no longer holds what was not yet processed', async () => {
    const store = new MemoryStore();
    addInputs(store, 'bulk', 3);
    store.trim('deliveries.bulk', 0, offset(2));
    expect(await stops({ store })).toMatch(/^log_loss: deliveries\.bulk\[0\] holds 2 to 3/);
  });

  it('when events[p] ends before the mark, without appending anything to it', async () => {
    const store = new MemoryStore();
    expect(await stops({ store, options: marked({ next: offset(3) }) })).toMatch(
      /^log_loss: events\[0\] ends at 0, before the mark at 3/,
    );
    expect(store.records('events', 0)).toEqual([]);
  });

  it('when an offset of a source is missing', async () => {
    const store = new MemoryStore();
    addInputs(store, 'realtime', 3);
    const log = createMemoryLog(store);
    const holed: EventLog = {
      ...log,
      openFetcher: async () => {
        const fetcher = await log.openFetcher();
        const without = (found: FetchedRecords): FetchedRecords => ({
          ...found,
          records: found.records.filter(({ offset }) => found.topic === 'events' || offset !== 1),
        });
        return {
          ...fetcher,
          fetch: async (...args) => (await fetcher.fetch(...args)).map(without),
        };
      },
    };
    expect(await stops({ options: { log: holed } })).toMatch(
      /^log_loss: deliveries\[0\] offset 2 came where 1 was due/,
    );
  });

  it('when a record of events cannot be read', async () => {
    const store = new MemoryStore();
    const strange: Omit<StoredRecord, 'offset' | 'appendedAt'> = {
      key: 'a',
      header: 'strange',
      value: null,
    };
    store.land('events', 0, [strange]);
    expect(await stops({ store })).toMatch(/^record_invalid/);
  });
});
