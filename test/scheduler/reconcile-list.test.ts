// Providers' lists of calls against ours: every difference is found, told and repaired by facts, page by page, and a
// second run finds nothing. Real database, the providers' APIs on loopback.

import { Command } from 'commander';
import { afterEach, beforeEach, expect, test } from 'vitest';

import { registerReconcileCommand } from '../../cli/reconcile.js';
import { createMemoryLog } from '../../log/memory.js';
import { FactAppender } from '../../log/own-facts.js';
import { createAccountStore } from '../../runtime/account-store.js';
import { silentLogger } from '../../runtime/logger.js';
import type { Database } from '../../runtime/postgres.js';
import { Asker } from '../../scheduler/asker.js';
import type { CallFact } from '../../schemas/facts.js';
import { factId } from '../../schemas/ids.js';
import { acme, says } from '../processors/facts.js';
import { codec, keyRing, Station } from '../processors/station.js';
import { until } from '../services/shared.js';
import { FakeProviders, telnyxAccount, twilioAccount } from './fake-provider.js';
import { startScheduler, told, wholeStore } from './station.js';

let database: Database;
let fake: FakeProviders;
let station: Station;
let stops: (() => Promise<void>)[];
let printed: string[];
let notes: string[];

beforeEach(async () => {
  ({ database } = await wholeStore());
  fake = await FakeProviders.start();
  fake.pageSize = 2;
  await database.query(`insert into tenants (tenant_id, name) values ($1, $1)`, [acme]);
  station = new Station(database);
  const running = [station.processors(), station.projections()];
  stops = running.map((one) => () => one.stop());
});
afterEach(async () => {
  await Promise.all(stops.map((stop) => stop()));
  await fake.close();
  await database.end();
});

const accounts = () => createAccountStore(database, keyRing);
const addTwilio = () =>
  accounts().add({
    ...{ tenant: acme, provider: 'twilio', name: 'main', baseUrl: fake.url },
    credentials: twilioAccount,
  });

/** The command as it runs, on this station. */
async function run(...args: string[]): Promise<string> {
  printed = [];
  notes = [];
  const program = new Command('trunkline').exitOverride();
  const sleep = (): Promise<void> => Promise.resolve();
  const asker = new Asker({
    ...{ database, accounts: accounts(), api: { sleep, timeoutMs: 500 }, ratePerSecond: 500 },
    now: () => performance.now(),
  });
  registerReconcileCommand(program, {
    async open(isDry) {
      const log = createMemoryLog(station.store);
      const appender = new FactAppender({ log, codec, keyRing, clock: () => Date.now() });
      const append = isDry
        ? null
        : (facts: Parameters<typeof appender.append>[0]) => appender.append(facts);
      return {
        accounts: accounts(),
        parts: { database, asker, logger: silentLogger, at: () => Date.now(), append },
        close: () => appender.close(),
      };
    },
    signal: new AbortController().signal,
    print: (line) => printed.push(line),
    note: (line) => notes.push(line),
    progress: () => undefined,
  });
  await program.parseAsync(['reconcile', ...args], { from: 'user' });
  return printed.join('\n');
}

const kinds = (): string[] => printed.map((line) => line.split(/ +/)[0] ?? '').toSorted();

interface CallRow {
  readonly ref: string;
  readonly status: string;
  readonly cause: string | null;
  readonly inferred: boolean;
  readonly duration_sec: number | null;
}

async function calls(): Promise<ReadonlyMap<string, CallRow>> {
  const { rows } = await database.query<CallRow>(
    `select l.leg_ref as ref, c.status, c.cause, c.inferred, c.duration_sec
      from calls c join legs l on l.tenant_id = c.tenant_id and l.call_id = c.id and l.is_primary`,
  );
  return new Map(rows.map((row) => [row.ref, row]));
}

const ago = (minutes: number): Date =>
  new Date(Math.floor(Date.now() / 1000) * 1000 - minutes * 60_000);
const sid = (n: number): string => `CA${String(n).padStart(32, '0')}`;

/** Six calls at Twilio; what we know of them differs in every way there is. */
async function sixCalls(): Promise<void> {
  const ended = { endedAt: ago(20), durationSec: 61 };
  const all = [
    { sid: sid(1), status: 'completed', ...ended },
    { sid: sid(2), status: 'completed', ...ended },
    { sid: sid(3), status: 'no-answer', endedAt: ago(20) },
    { sid: sid(4), status: 'in-progress' },
    { sid: sid(5), status: 'completed', ...ended },
    { sid: sid(6), status: 'completed', ...ended },
  ];
  for (const [i, one] of all.entries()) fake.calls.set(one.sid, { ...one, startedAt: ago(30 + i) });
  // So young that its first delivery may be on its way.
  fake.calls.set(sid(7), { sid: sid(7), status: 'ringing', startedAt: ago(0) });
  // 1: never heard of.
  await station.record([told(sid(2), 'answered')]);
  await station.record([told(sid(3), 'ringing')]);
  await station.record([told(sid(4), 'ringing')]);
  await station.record([told(sid(5), 'answered'), told(sid(5), 'completed')]);
  await station.record([told(sid(6), 'failed')]);
  await until('the calls', async () => (await calls()).size === 5);
}

test('every difference is found and repaired by facts, and a second run finds what facts cannot repair', async () => {
  await addTwilio();
  await sixCalls();
  const dry = await run('--since', '24h', '--dry-run');
  expect(kinds()).toEqual(['behind', 'contradicts', 'missing', 'not_ended', 'not_ended']);
  expect(dry).toContain(`missing      acme twilio ${sid(1)}: here not known, there completed`);
  expect(notes.join()).toContain('7 calls, 5 differences, nothing was repaired');
  expect((await calls()).size).toBe(5);

  await run('--since', '24h');
  expect(notes.join()).toContain('7 calls, 5 differences, 4 repaired');
  await until('repaired', async () => {
    const now = await calls();
    return now.size === 6 && now.get(sid(4))?.status === 'answered';
  });
  const now = await calls();
  expect(now.get(sid(1))).toMatchObject({ status: 'completed', inferred: false, duration_sec: 61 });
  expect(now.get(sid(2))).toMatchObject({ status: 'completed', duration_sec: 61 });
  expect(now.get(sid(3))).toMatchObject({ status: 'failed', cause: 'no_answer' });
  expect(now.get(sid(6))).toMatchObject({ status: 'failed' });
  await run('--since', '24h');
  expect(kinds()).toEqual(['contradicts']);
});

test('a run that was interrupted goes on where it was, and one whose place is gone begins again', async () => {
  await addTwilio();
  await sixCalls();
  const since = new Date(Date.now() - 86_400_000).toISOString();
  fake.answers = 1;
  const failing = run('--since', since);
  await expect(failing).rejects.toThrow(/not read to the end; run it again with --since/);
  expect(notes.join()).toContain('the provider does not answer: status 503');
  const before = fake.paths.length;
  fake.answers = Infinity;
  await run('--since', since);
  expect(fake.paths[before]).toContain('Page=1');
  await until('repaired', async () => {
    const now = await calls();
    const all = [1, 2, 3, 4].map((n) => now.get(sid(n))?.status);
    return all.join() === 'completed,completed,failed,answered';
  });
  // Interrupted again, and the place is gone meanwhile.
  await database.query(
    `update provider_accounts set run_cursor = '/2010-04-01/Accounts/' || $1 || '/Calls.json?Page=9'`,
    [twilioAccount.accountSid],
  );
  fake.trouble.push({ kind: 'status', status: 400 });
  await run('--since', since);
  expect(notes.join()).toContain('7 calls, 1 differences');
});

test('credentials that are refused are said, by account, and nothing is taken for missing', async () => {
  await accounts().add({
    ...{ tenant: acme, provider: 'twilio', name: 'old', baseUrl: fake.url },
    credentials: { ...twilioAccount, authToken: 'fictional-and-old' },
  });
  await sixCalls();
  await expect(run('--since', '24h', '--json')).rejects.toMatchObject({ exitCode: 1 });
  expect(JSON.parse(printed.at(-1) ?? '')).toMatchObject({
    ...{ calls: 0, differences: 0, stopped: 'the provider refuses the account (status 401)' },
  });
});

test('Telnyx’s list of events tells of legs that were never heard of, and what it cannot show', async () => {
  await accounts().add({
    ...{ tenant: acme, provider: 'telnyx', name: 'main', baseUrl: fake.url },
    credentials: telnyxAccount,
  });
  const leg = { leg: 'leg-9', session: 'session-9' };
  fake.events.push(
    {
      ...leg,
      name: 'call.initiated',
      at: ago(40),
      metadata: { payload: { direction: 'incoming' } },
    },
    { ...leg, name: 'call.answered', at: ago(39) },
    {
      ...leg,
      name: 'call.hangup',
      at: ago(38),
      metadata: { payload: { hangup_cause: 'user_busy' } },
    },
  );
  await run('--since', '24h', '--json');
  const lines = printed.map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(lines[0]).toMatchObject({ kind: 'missing', leg: 'leg-9', call: null });
  expect(lines.at(-1)).toMatchObject({ limit: 'its list of events goes back 24 hours' });
  await until('the call', async () => (await calls()).get('leg-9')?.status === 'completed');
  await run('--since', '24h', '--json');
  expect(printed).toHaveLength(1);
});

test('a scheduler that begins reconciles by itself, once', async () => {
  await addTwilio();
  await sixCalls();
  const settings = { accounts: accounts(), asksPerSecond: 500, reconcileAfterMs: 200 };
  const scheduler = startScheduler(station, settings);
  await until('repaired', async () => (await calls()).size === 6);
  await until('done', () => scheduler.codes.includes('reconciled'));
  await scheduler.stop();
  const asked = fake.paths.length;
  const next = startScheduler(station, { ...settings, leaseMs: 400 });
  await until('it leads', () => next.codes.includes('scheduler_leads'));
  await station.record([told(sid(8), 'ringing')]);
  await until('another call', async () => (await calls()).size === 7);
  await next.stop();
  expect(fake.paths.filter((path, i) => i >= asked && path.includes('Calls.json'))).toEqual([]);
});

test('a call whose end was inferred gets the real one from the list', async () => {
  await addTwilio();
  const fact: CallFact = {
    ...told(sid(1), 'answered'),
    factId: factId('a'),
    signal: says('answered'),
  };
  await station.record([fact]);
  await until('the call', async () => (await calls()).size === 1);
  const { rows } = await database.query<{ subject: string; timer_id: string; since: number }>(
    'select subject, timer_id, since from timers',
  );
  expect(rows).toHaveLength(1);
  await database.query(`update calls set status = 'completed', inferred = true`);
  await database.query(`update legs set status = 'completed'`);
  fake.calls.set(sid(1), { sid: sid(1), status: 'busy', startedAt: ago(9), endedAt: ago(8) });
  await run('--since', '24h', '--dry-run');
  expect(kinds()).toEqual(['inferred']);
});
