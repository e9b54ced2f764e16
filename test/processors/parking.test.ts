// Parking (design 3.4) against a real database: a fact that fails holds up its call and nothing else, a retry
// releases in order, whoever owns the partition by then; what passes by itself parks nothing.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { decideFacts } from '../../processors/decide-input.js';
import { callIdOf } from '../../processors/call/identity.js';
import { TrunklineError } from '../../runtime/errors.js';
import type { Database } from '../../runtime/postgres.js';
import type { EventEnvelope } from '../../schemas/events.js';
import type { CallFact, TimerFact } from '../../schemas/facts.js';
import { factId } from '../../schemas/ids.js';
import { freshStore } from '../projections/station.js';
import { until } from '../services/shared.js';
import { acme } from './facts.js';
import { home, keyRing, Station } from './station.js';

let database: Database;
let station: Station;
let running: { stop(): Promise<void> }[] = [];

beforeAll(async () => {
  ({ database } = await freshStore());
});
afterAll(() => database.end());
afterEach(async () => {
  for (const one of running.splice(0)) await one.stop();
  await database.query('truncate aggregate_state, marks, mark_sequences');
});
const run = <T extends { stop(): Promise<void> }>(one: T): T => {
  running.push(one);
  return one;
};
async function stopAll(): Promise<void> {
  for (const one of running.splice(0)) await one.stop();
  running = [];
}

/** A fact about a leg; those whose id begins with `bad` fail under `failing`. */
const fact = (id: string, legRef = 'CA1', more: Partial<CallFact> = {}): CallFact => ({
  kind: 'call',
  factId: factId(id),
  eventType: 'note',
  occurredAt: null,
  order: { phase: 1, atUs: 1_000 + Number(/\d+/.exec(id)?.[0] ?? 0), seq: 0 },
  legRef,
  ...{ parentRef: null, sessionRef: null, direction: null },
  signal: { type: 'note', name: 'dtmf' },
  ...{ durationSec: null, providerCode: null, details: {} },
  ...{ from: '+12025550100', to: '+12025550142', personal: {} },
  ...more,
});

const failing: typeof decideFacts = (whose, facts, states) => {
  const bad = facts.find(({ fact: { factId: id } }) => id.startsWith('bad'));
  if (bad !== undefined) throw new RangeError(`cannot use +12025550100 of ${bad.fact.factId}`);
  return decideFacts(whose, facts, states);
};

/** What happened, in few words: the fact that was added, parked, released … */
function told({ body }: EventEnvelope): string {
  switch (body.kind) {
    case 'call':
      return body.fact === null ? body.type : `+${body.fact.factId}`;
    case 'parked':
      return `${body.type.slice('fact.'.length)} ${body.sourceOffset} ${body.errorCode}`;
    case 'act':
      return `${body.type} ${body.refused ?? `${body.released}/${body.remaining} ${body.failed}`}`;
    case 'message':
    case 'record':
    case 'not_understood':
      return body.type;
  }
}
const story = (): readonly string[] =>
  station
    .events()
    .map(told)
    .filter((text) => !text.startsWith('call.'));
const untilStory = async (...lines: readonly string[]): Promise<void> => {
  await until(`the story ${lines.join(', ')}`, () => story().length >= lines.length, 15_000).catch(
    () => undefined,
  );
  expect(story()).toEqual(lines);
};
const parked = (at: number): string =>
  station.events().find(({ body }) => body.kind === 'parked' && body.sourceOffset === at)
    ?.eventId ?? '';

describe('a fact that fails', () => {
  test('holds up its call and no other; a retry under mended rules applies them in order', async () => {
    station = new Station(database);
    run(station.processors({ decideFacts: failing }));
    await station.record([fact('bad1')]);
    await station.record([fact('f2')]);
    await station.record([fact('f3', 'CA2')]);
    await station.record([fact('f4', 'CA9', { parentRef: 'CA1' })]);
    await station.record([fact('f5', 'CA9')]);
    const before = [
      ...['parked 0 decide_failed', 'parked 1 behind', '+f3'],
      ...['parked 3 behind', 'parked 4 behind'],
    ];
    await untilStory(...before);
    await station.act('retry', parked(0), 'r1');
    await untilStory(...before, 'act.applied 0/4 decide_failed', 'still_parked 0 decide_failed');
    const failed = station.events().at(-1);
    expect(failed?.body).toMatchObject({ parking: { attempts: 2, errorClass: 'bug' } });

    await stopAll();
    run(station.processors());
    await station.act('retry', parked(0), 'r2');
    await untilStory(
      ...before,
      ...['act.applied 0/4 decide_failed', 'still_parked 0 decide_failed', 'act.applied 4/0 null'],
      ...['+bad1', 'released 0 decide_failed', '+f2', 'released 1 behind'],
      ...['+f4', 'released 3 behind', '+f5', 'released 4 behind'],
    );
    // What comes now waits for nobody, and an act on what is done does nothing.
    await station.record([fact('f6')]);
    await station.act('retry', parked(0), 'r3');
    await until('the refusal', () => story().at(-1) === 'act.refused already_released');
    expect(story().at(-2)).toBe('+f6');
  });

  test('is told in a way that shows nothing personal', async () => {
    station = new Station(database);
    run(station.processors({ decideFacts: failing }));
    await station.record([fact('bad1')]);
    await station.record([fact('f2')]);
    const [first, second] = await station.untilEvents(2);
    expect(first).toMatchObject({
      ...{ tenant: 'acme', provider: 'twilio', seq: 1 },
      body: {
        errorCode: 'decide_failed',
        error: expect.stringMatching(/^RangeError in failing \(parking\.test\.ts:\d+\)$/),
        parking: {
          ...{ parkId: first?.eventId, queueId: first?.eventId, errorClass: 'bug', attempts: 1 },
          facts: [{ kind: 'call', eventType: 'note', ref: 'CA1', from: '+1 202 ••• 0100' }],
          ...{ deliveryId: 'd0', endpoint: 'ep_0000000000000001' },
        },
      },
    });
    expect(second?.body).toMatchObject({
      parking: { queueId: first?.eventId, errorClass: 'behind', attempts: 0 },
    });
    expect(JSON.stringify([station.events(), station.lines])).not.toMatch(/5550100|5550142/);
  });

  test('begins no queue twice: an act that comes again, as a copy, is one act', async () => {
    station = new Station(database);
    run(station.processors({ decideFacts: failing }));
    await station.record([fact('bad1')]);
    await untilStory('parked 0 decide_failed');
    await station.act('retry', parked(0), 'same');
    await station.act('retry', parked(0), 'same');
    await untilStory(
      ...['parked 0 decide_failed', 'act.applied 0/1 decide_failed'],
      ...['still_parked 0 decide_failed', 'act.duplicate_seen 0/0 null'],
    );
    await station.act('retry', 'evt_nobody', 'other');
    await until('the refusal', () => story().at(-1) === 'act.refused unknown');
  });
});

describe('a takeover', () => {
  test.each(['with the store behind', 'from the store'])(
    'between parking and retry keeps the queue and its order, %s',
    async (how) => {
      station = new Station(database);
      const projections = how === 'from the store' ? run(station.projections()) : null;
      run(station.processors({ decideFacts: failing, maxInputs: 1 }));
      await station.record([fact('bad1')]);
      await station.record([fact('f2')]);
      await untilStory('parked 0 decide_failed', 'parked 1 behind');
      if (projections !== null) await station.untilProjected();
      await stopAll();
      run(station.processors({ decideFacts: failing }));
      await station.record([fact('f3')]);
      const before = ['parked 0 decide_failed', 'parked 1 behind', 'parked 2 behind'];
      await untilStory(...before);
      await stopAll();
      // The store has all of it by now, whichever way the queue went before.
      run(station.projections());
      await station.untilProjected();
      run(station.processors());
      await station.act('retry', parked(0), 'r1');
      await untilStory(
        ...before,
        ...['act.applied 3/0 null', '+bad1', 'released 0 decide_failed'],
        ...['+f2', 'released 1 behind', '+f3', 'released 2 behind'],
      );
      await station.untilProjected();
      const { rows } = await database.query<{ kind: string; state: string }>(
        `select kind, state from aggregate_state where kind in ('queue', 'parked') order by kind`,
      );
      expect(rows.map(({ state }) => state)).not.toContain(expect.stringContaining('content'));
      expect(rows.at(-1)).toEqual({ kind: 'queue', state: '{"refs":[],"waiting":[]}' });
      // One more owner: no queue is left.
      await stopAll();
      run(station.processors());
      await station.record([fact('f4')]);
      await until('the next fact', () => story().at(-1) === '+f4');
    },
  );
});

describe('a queue', () => {
  test('goes on up to the next fact that fails, which holds up the rest', async () => {
    station = new Station(database);
    run(station.processors({ decideFacts: failing }));
    for (const id of ['bad1', 'f2', 'bad3', 'f4']) await station.record([fact(id)]);
    await station.untilEvents(4);
    await stopAll();
    const third: typeof decideFacts = (whose, facts, states) => {
      if (facts.some((one) => one.fact.factId === 'bad3')) throw new TypeError('still');
      return decideFacts(whose, facts, states);
    };
    run(station.processors({ decideFacts: third }));
    await station.act('retry', parked(1), 'r1');
    await until('the failure', () => story().at(-1)?.startsWith('still_parked 2') === true);
    expect(story().slice(4)).toEqual([
      ...['act.applied 2/2 decide_failed', '+bad1', 'released 0 decide_failed'],
      ...['+f2', 'released 1 behind', 'still_parked 2 decide_failed'],
    ]);
    // Let go of what fails: the rest is decided.
    await station.act('discard', parked(2), 'd1');
    await until('the rest', () => story().at(-1) === 'released 3 behind');
    expect(story().slice(10)).toEqual([
      ...['act.applied 1/0 null', 'discarded 2 decide_failed', '+f4', 'released 3 behind'],
    ]);
    expect(station.events().find(({ body }) => body.type === 'fact.discarded')).toMatchObject({
      body: { parking: { actId: expect.any(String) as string } },
    });
    expect(station.events().findLast(({ body }) => body.kind === 'act')?.body).toMatchObject({
      ...{ act: 'discard', about: parked(2), actor: 'key_1', reason: 'mended' },
    });
  });

  test('loses one from its middle without moving', async () => {
    station = new Station(database);
    run(station.processors({ decideFacts: failing }));
    for (const id of ['bad1', 'f2', 'f3']) await station.record([fact(id)]);
    await station.untilEvents(3);
    await station.act('discard', parked(1), 'd1');
    await until('the discard', () => story().at(-1) === 'discarded 1 behind');
    expect(story().at(-2)).toBe('act.applied 0/2 null');
    await stopAll();
    run(station.processors());
    await station.act('retry', parked(0), 'r1');
    await until('the release', () => story().at(-1) === 'released 2 behind');
    expect(story().filter((text) => text.startsWith('+'))).toEqual(['+bad1', '+f3']);
  });

  test('that a fact joins with another one waits for it, and never the other way round', async () => {
    station = new Station(database);
    run(station.processors({ decideFacts: failing }));
    await station.record([fact('bad1', 'CA1')]);
    await station.record([fact('bad2', 'CA2')]);
    await station.record([fact('f3', 'CA1', { parentRef: 'CA2' })]);
    await station.record([fact('f4', 'CA1')]);
    await station.untilEvents(4);
    await stopAll();
    run(station.processors());
    const queueOf = (at: number): string => {
      const body = station.events()[at]?.body;
      return body?.kind === 'parked' ? (body.parking?.queueId ?? '') : '';
    };
    const joined = queueOf(2);
    expect(joined).toBe([parked(0), parked(1)].sort()[1]);
    expect(queueOf(3)).toBe(joined);
    const other = joined === parked(0) ? parked(1) : parked(0);
    await station.act('retry', joined, 'r1');
    await until('its head', () => story().some((text) => text.startsWith('still_parked 2 behind')));
    await station.act('retry', other, 'r2');
    // The head of that queue is released; any other of its facts names it as well.
    await station.act('retry', parked(2), 'r3');
    await until('the last', () => story().at(-1) === 'released 3 behind');
    // Calls that turn out to be one take over each other's facts: those are told again.
    const added = new Set(story().filter((text) => text.startsWith('+')));
    expect([...added].sort()).toEqual(['+bad1', '+bad2', '+f3', '+f4']);
    expect(story().indexOf('+f3')).toBeLessThan(story().indexOf('+f4'));
  });

  test('holds a timer once, however often it is told, and decides it in its turn', async () => {
    station = new Station(database);
    run(station.processors({ decideFacts: failing }));
    await station.record([fact('f1')]);
    await station.record([fact('bad2')]);
    const timer: TimerFact = {
      ...{ kind: 'timer', factId: factId('t1'), eventType: 'timer.watchdog', occurredAt: null },
      ...{ order: { phase: 1, atUs: 5, seq: 0 }, callId: callIdOf(acme, 'twilio', 'CA1') },
      ...{ name: 'watchdog', timerId: 'watchdog:initiated:1', since: 1, status: 'initiated' },
      reason: null,
    };
    for (let told = 0; told < 3; told += 1) await station.record([timer]);
    await station.record([fact('f6')]);
    await untilStory('+f1', 'parked 1 decide_failed', 'parked 2 behind', 'parked 5 behind');
    await stopAll();
    run(station.processors());
    await station.act('retry', parked(1), 'r1');
    await until('the release', () => story().at(-1) === 'released 5 behind');
    expect(story().slice(4)).toEqual([
      ...['act.applied 3/0 null', '+bad2', 'released 1 decide_failed'],
      ...['released 2 behind', '+f6', 'released 5 behind'],
    ]);
  });

  test('of which more is released than a batch holds goes on by the next act', async () => {
    station = new Station(database, { maxBatchBytes: 40_000 });
    run(station.processors({ decideFacts: failing }));
    const said = { details: { said: 'x'.repeat(1_500) } };
    for (const id of ['bad1', 'f2', 'f3', 'f4', 'f5', 'f6', 'f7', 'f8']) {
      await station.record([fact(id, 'CA1', said)]);
    }
    await station.untilEvents(8);
    await stopAll();
    run(station.processors());
    for (let act = 1; story().filter((text) => text.startsWith('+')).length < 8; act += 1) {
      const acts = () => story().filter((text) => text.startsWith('act.applied')).length;
      await station.act('retry', parked(7), `r${act}`);
      await until(`act ${act}`, () => acts() === act);
    }
    const acts = story().filter((text) => text.startsWith('act.applied'));
    expect(acts.length).toBeGreaterThan(1);
    expect(acts.at(-1)).toMatch(/\/0 null$/);
    expect(story().filter((text) => text.startsWith('+'))).toEqual([
      ...['+bad1', '+f2', '+f3', '+f4', '+f5', '+f6', '+f7', '+f8'],
    ]);
  });
});

describe('a record too large to be carried', () => {
  test('is read from its topic again, or is said to be gone', async () => {
    station = new Station(database, { maxBatchBytes: 40_000 });
    run(station.processors({ decideFacts: failing }));
    const said = { details: { said: 'x'.repeat(11_000) } };
    await station.record([fact('bad1', 'CA1', said)]);
    await station.record([fact('bad2', 'CA2', said)]);
    const events = await station.untilEvents(2);
    expect(events).toMatchObject([
      { body: { parking: { content: null, recordBytes: expect.any(Number) as number } } },
      { body: { parking: { content: null } } },
    ]);
    await stopAll();
    run(station.processors());
    await station.act('retry', parked(0), 'r1');
    await until('the release', () => story().at(-1) === 'released 0 decide_failed');
    station.store.trim('deliveries', home, 2 as never);
    await station.act('retry', parked(1), 'r2');
    await until('the failure', () => story().at(-1) === 'still_parked 1 source_gone');
  });
});

describe('an unreadable fact', () => {
  test('parks alone, and can be retried and discarded alone', async () => {
    station = new Station(database);
    run(station.processors());
    station.land(Buffer.from('damaged'));
    await station.record([{ ...fact('f1'), occurredAt: 'noon' } as unknown as CallFact]);
    await station.record([fact('f2')]);
    await untilStory('parked 0 value_unreadable', 'parked 1 schema_unknown', '+f2');
    expect(station.events()[1]?.body).toMatchObject({
      parking: { errorClass: 'schema', refs: [] },
    });
    await station.act('retry', parked(0), 'r1');
    await station.act('discard', parked(1), 'd1');
    await untilStory(
      ...['parked 0 value_unreadable', 'parked 1 schema_unknown', '+f2'],
      ...['act.applied 0/1 value_unreadable', 'still_parked 0 value_unreadable'],
      ...['act.applied 0/0 null', 'discarded 1 schema_unknown'],
    );
  });

  test('is opened once its key is back', async () => {
    station = new Station(database);
    let isAway = true;
    const lossy = {
      openDay: (...args: Parameters<typeof keyRing.openDay>) =>
        isAway
          ? Promise.reject(new TrunklineError('key_missing', 'the day key was destroyed'))
          : keyRing.openDay(...args),
      subjectId: keyRing.subjectId.bind(keyRing),
      subjectKeys: keyRing.subjectKeys.bind(keyRing),
    } as typeof keyRing;
    run(station.processors({ keyRing: lossy }));
    await station.record([fact('f1')]);
    await untilStory('parked 0 key_missing');
    isAway = false;
    await station.act('retry', parked(0), 'r1');
    await untilStory(
      ...['parked 0 key_missing', 'act.applied 1/0 null', '+f1', 'released 0 key_missing'],
    );
  });
});

describe('what passes by itself', () => {
  test.each([
    ['a key store that is away', new TrunklineError('service_unreachable', 'no database')],
    ['a database in trouble', Object.assign(new Error('deadlock'), { code: '40P01' })],
    ['a socket that broke', Object.assign(new Error('reset'), { code: 'ECONNRESET' })],
  ])('%s parks nothing: the facts are decided once it is back', async (_, error) => {
    station = new Station(database);
    let failures = 3;
    const away = {
      subjectId: keyRing.subjectId.bind(keyRing),
      openDay: keyRing.openDay.bind(keyRing),
      subjectKeys: (...args: Parameters<typeof keyRing.subjectKeys>) => {
        failures -= 1;
        return failures >= 0 ? Promise.reject(error) : keyRing.subjectKeys(...args);
      },
    } as typeof keyRing;
    run(station.processors({ keyRing: away }));
    await station.record([fact('f1')]);
    await untilStory('+f1');
    expect(failures).toBe(-1);
  });

  test('an error nobody foresaw, on one fact of a batch, parks that one and ends no ownership', async () => {
    station = new Station(database);
    const picky = {
      subjectId: (tenant: typeof acme, of: string) =>
        of.endsWith('0666')
          ? Promise.reject(new TypeError('no such +15550666'))
          : keyRing.subjectId(tenant, of),
      openDay: keyRing.openDay.bind(keyRing),
      subjectKeys: keyRing.subjectKeys.bind(keyRing),
    } as typeof keyRing;
    await station.record([fact('f1', 'CA1', { from: '+15550666' })]);
    await station.record([fact('f2', 'CA2')]);
    await station.record([fact('f3', 'CA1')]);
    run(station.processors({ keyRing: picky }));
    await untilStory('parked 0 seal_failed', '+f2', 'parked 2 behind');
    expect(await station.metrics.metrics()).toMatch(/trunkline_processors_takes_total [12]\n/);
    expect(JSON.stringify([station.events(), station.lines])).not.toContain('15550666');
  });
});

test('calls keep their ids: what was parked first is the same call as without parking', async () => {
  station = new Station(database);
  run(station.processors({ decideFacts: failing }));
  await station.record([fact('bad1')]);
  await station.untilEvents(1);
  await stopAll();
  run(station.processors());
  await station.act('retry', parked(0), 'r1');
  await until('the release', () => story().at(-1) === 'released 0 decide_failed');
  const [call] = station.events().flatMap(({ body }) => (body.kind === 'call' ? [body] : []));
  expect(call?.callId).toBe(callIdOf(acme, 'twilio', 'CA1'));
});
