// The command line of dead letters, with the processors and projections behind it, on a real Postgres: what an
// operator sees, does, and is told came of it.

import { Command } from 'commander';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { registerDeadLetterCommands } from '../../cli/dead-letters.js';
import { createMemoryLog } from '../../log/memory.js';
import type { Database } from '../../runtime/postgres.js';
import { FailingRules, noteFact } from '../processors/failing-rules.js';
import { codec, keyRing, Station } from '../processors/station.js';
import { freshStore } from '../projections/station.js';
import { until } from '../services/shared.js';

let database: Database;
let station: Station;
const rules = new FailingRules();
const running: { stop(): Promise<void> }[] = [];

beforeAll(async () => {
  ({ database } = await freshStore());
  // A small batch, so that a queue takes several acts.
  station = new Station(database, { maxBatchBytes: 40_000 });
  running.push(station.processors({ decideFacts: rules.decide }), station.projections());
});
afterAll(async () => {
  for (const one of running) await one.stop();
  await database.end();
});

interface Ran {
  readonly out: string;
  readonly notes: string;
  readonly code: number;
}

async function run(args: readonly string[], answer: boolean | null = null): Promise<Ran> {
  const [out, notes]: [string[], string[]] = [[], []];
  let code = 0;
  const program = new Command().exitOverride().configureOutput({ writeErr: () => undefined });
  registerDeadLetterCommands(program, {
    open: () =>
      Promise.resolve({
        ...{ log: createMemoryLog(station.store), codec, keyRing, database },
        close: () => Promise.resolve(),
      }),
    signal: new AbortController().signal,
    print: (line) => out.push(line),
    note: (line) => notes.push(line),
    confirm: () => Promise.resolve(answer),
    setExitCode: (number) => void (code = number),
  });
  await program.parseAsync(['dead-letters', ...args], { from: 'user' });
  return { out: out.join('\n'), notes: notes.join('\n'), code };
}

interface Listed {
  readonly id: string;
  readonly class: string;
  readonly state: string;
  readonly queue: { readonly behind: number };
}
const listed = async (...args: readonly string[]): Promise<readonly Listed[]> =>
  JSON.parse((await run(['list', '--json', ...args])).out) as readonly Listed[];
const untilListed = (count: number, ...args: readonly string[]): Promise<void> =>
  until(`${count} dead letters`, async () => (await listed(...args)).length === count);
const headId = async (): Promise<string> =>
  (await listed('--class', 'bug')).find(({ state }) => state === 'open')?.id ?? '';

test('an operator sees nothing, then what waits and why', async () => {
  expect((await run(['list'])).notes).toBe('no dead letter');
  await station.record([noteFact('bad0', 'CA0')]);
  for (let i = 1; i <= 30; i += 1) await station.record([noteFact(`f${i}`, 'CA0')]);
  await untilListed(31);
  const { out } = await run(['list', '--class', 'bug']);
  expect(out).toMatch(
    /^TENANT +ID +STATE +CLASS +CODE +TRIES +BEHIND +ORIGIN +SINCE\nacme +evt_\S+ +open +bug +decide_failed +1 +30 +deliveries\[\d\]@0 +\d{4}-/,
  );
  const shown = await run(['show', await headId()]);
  expect(shown.out).toMatch(/error +decide_failed: RangeError in decide \(failing-rules\.ts/);
  expect(shown.out).toContain('fact      call note CA0 +1 202 ••• 0100 → -');
  expect(shown.out + out).not.toContain('5550100');
  expect((await listed('--tenant', 'globex')).length).toBe(0);
  expect((await listed('--limit', '2')).length).toBe(2);
});

test('a retry that fails again says so by its exit code, and the act is shown', async () => {
  const id = await headId();
  const { out, code } = await run(['retry', id, '--reason', 'OPS-311', '--actor', 'staff:7']);
  expect(code).toBe(3);
  expect(out).toBe(`${id}: open; 0 released, 31 still parked; decide_failed holds them up`);
  expect((await run(['show', id])).out).toMatch(
    /act +.*retry by staff:7: applied, 0 released, 31 left, decide_failed \(OPS-311\)/,
  );
});

test('a retry under mended rules goes on until the queue is empty, over several acts', async () => {
  rules.isMended = true;
  const id = await headId();
  const { out, code } = await run(['retry', id, '--reason', 'mended, OPS-311', '--json']);
  expect(code).toBe(0);
  expect(JSON.parse(out)).toEqual({
    ...{ id, state: 'retried', released: 31, remaining: 0, failed: null, isDecided: true },
  });
  const acts = station.events().filter(({ body }) => body.type === 'act.applied');
  expect(acts.length).toBeGreaterThan(2);
  const order = station.events().flatMap(({ body }) => {
    return body.kind === 'call' && body.fact !== null ? [body.fact.factId] : [];
  });
  expect(order).toEqual(['bad0', ...Array.from({ length: 30 }, (_, i) => `f${i + 1}`)]);
  expect((await listed()).length).toBe(0);
  expect((await listed('--state', 'retried')).length).toBe(31);
  await expect(run(['retry', id, '--reason', 'again'])).rejects.toMatchObject({
    code: 'dead_letter_closed',
  });
});

test('a discard asks, does nothing on a no, and wants --yes where nobody can be asked', async () => {
  rules.isMended = false;
  await station.record([noteFact('bad50', 'CA5')]);
  await untilListed(1);
  const id = await headId();
  const no = await run(['discard', id, '--reason', 'test traffic'], false);
  expect([no.code, no.notes]).toEqual([1, 'nothing was done']);
  await expect(run(['discard', id, '--reason', 'test traffic'])).rejects.toThrow(/say --yes/);
  expect((await listed()).length).toBe(1);
  const done = await run(['discard', id, '--reason', 'test traffic', '--yes']);
  expect([done.code, done.out]).toEqual([0, `${id}: discarded; 0 released, 0 still parked`]);
});

test('a reason that holds a number or an address, and an actor that is none, are refused', async () => {
  const asked = ['retry', 'evt_x', '--reason'];
  await expect(run([...asked, 'caller +1 202 555 0100'])).rejects.toThrow(/looks like a number/);
  await expect(run([...asked, 'for ada@example.com'])).rejects.toThrow(/looks like an address/);
  await expect(run([...asked, 'OPS-1', '--actor', 'ada@example.com'])).rejects.toThrow(/--actor/);
  await expect(run([...asked, 'OPS-1'])).rejects.toMatchObject({ code: 'not_found' });
  await expect(run(['retry', 'evt_x'])).rejects.toThrow(/--reason/);
});

test('an act that nobody decides in time is said to be in the log', async () => {
  await station.record([noteFact('bad60', 'CA6')]);
  await untilListed(1);
  for (const one of running.splice(0)) await one.stop();
  const id = await headId();
  const { out, code } = await run(['retry', id, '--reason', 'OPS-9', '--wait', '0s']);
  expect([code, out]).toEqual([4, `${id}: the act is in the log; no processor has decided it yet`]);
});
