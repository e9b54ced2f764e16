// Silent calls are asked after at their provider: what it says becomes facts of the call, and only what nobody can
// say is inferred. Real timers in a real database, the providers' APIs on loopback.

import { afterEach, beforeEach, expect, test } from 'vitest';

import type { TimerRules } from '../../processors/call/timers.js';
import { createAccountStore, type AccountStore } from '../../runtime/account-store.js';
import type { Database } from '../../runtime/postgres.js';
import type { SchedulerDeps } from '../../scheduler/main.js';
import type { CallFact } from '../../schemas/facts.js';
import { factId } from '../../schemas/ids.js';
import { defaultBounds } from '../../schemas/timers.js';
import { acme, says } from '../processors/facts.js';
import { keyRing, Station } from '../processors/station.js';
import { until } from '../services/shared.js';
import { FakeProviders, telnyxAccount, twilioAccount } from './fake-provider.js';
import { factsIn, startScheduler, timersOf, told, wholeStore } from './station.js';

let database: Database;
let fake: FakeProviders;
let accounts: AccountStore;
let station: Station;
let stops: (() => Promise<void>)[];

beforeEach(async () => {
  ({ database } = await wholeStore());
  fake = await FakeProviders.start();
  accounts = createAccountStore(database, keyRing);
  await database.query(`insert into tenants (tenant_id, name) values ($1, $1)`, [acme]);
  station = new Station(database);
  stops = [];
});
afterEach(async () => {
  await Promise.all(stops.map((stop) => stop()));
  await fake.close();
  await database.end();
});

const rules: TimerRules = { boundsOf: () => defaultBounds, patienceMs: 4_000, settleMs: 100 };

function work(more: Partial<SchedulerDeps> & { readonly timers?: TimerRules } = {}): void {
  const { timers = rules, ...deps } = more;
  const scheduler = startScheduler(station, {
    ...{ accounts, asksPerSecond: 200, api: { timeoutMs: 300 } },
    ...deps,
  });
  const running = [station.processors({ timers }), station.projections(), scheduler];
  stops.push(...running.map((one) => () => one.stop()));
}

const addTwilio = (credentials: Record<string, string> = twilioAccount) =>
  accounts.add({ tenant: acme, provider: 'twilio', name: 'main', baseUrl: fake.url, credentials });
const addTelnyx = () =>
  accounts.add({
    ...{ tenant: acme, provider: 'telnyx', name: 'main', baseUrl: fake.url },
    credentials: telnyxAccount,
  });

interface Row {
  readonly status: string;
  readonly cause: string | null;
  readonly inferred: boolean;
  readonly reason: string | null;
  readonly duration_sec: number | null;
  readonly ended_at: number | null;
}

async function ended(): Promise<Row> {
  const read = async (): Promise<Row | undefined> => {
    const { rows } = await database.query<Row>(
      `select status, cause, inferred, reason, duration_sec, ended_at from calls where ended_at is not null`,
    );
    return rows[0];
  };
  await until('the call to end', async () => (await read()) !== undefined);
  const row = await read();
  if (row === undefined) throw new Error('no call');
  return row;
}

const reconciled = async (): Promise<readonly CallFact[]> =>
  (await factsIn(station)).flatMap((one) =>
    one.kind === 'call' && one.details['reconciled'] === true ? [one] : [],
  );

/** All the same call whatever the API is asked for. */
const sid = 'CA00000000000000000000000000000001';
const endedAt = new Date(1_790_000_090_000);

test('Twilio knows the end: it becomes a fact of the call, with its duration and price, marked as reconciled', async () => {
  await addTwilio();
  fake.calls.set(sid, {
    ...{ sid, status: 'completed', endedAt, durationSec: 61, price: '-0.0130' },
  });
  await station.record([told(sid, 'answered')]);
  work();
  expect(await ended()).toMatchObject({
    ...{ status: 'completed', inferred: false, duration_sec: 61, ended_at: endedAt.getTime() },
  });
  expect(await reconciled()).toMatchObject([
    { eventType: 'reconciled.completed', details: { price: '-0.0130', priceUnit: 'USD' } },
  ]);
  const { rows } = await database.query<{ type: string; details: string }>(
    `select type, details from call_timeline where type like 'reconciled%'`,
  );
  expect(rows.map(({ type }) => type)).toEqual(['reconciled.completed']);
  expect(rows[0]?.details).toContain('"reconciled":true');
});

test.each([
  ['busy', 'busy'],
  ['no-answer', 'no_answer'],
  ['canceled', 'canceled'],
  ['failed', 'provider'],
])('Twilio says %s: the call failed with cause %s', async (status, cause) => {
  await addTwilio();
  fake.calls.set(sid, { sid, status, endedAt });
  await station.record([told(sid, 'ringing')]);
  work();
  expect(await ended()).toMatchObject({ status: 'failed', cause, inferred: false });
});

test('a call that is still active at the provider is left, its silence begins anew, and it is asked again', async () => {
  await addTwilio();
  fake.calls.set(sid, { sid, status: 'in-progress' });
  await station.record([told(sid, 'ringing')]);
  const again: TimerRules = {
    ...rules,
    boundsOf: () => ({ ...defaultBounds, answered: 300, ringing: 300 }),
  };
  work({ timers: again });
  await until('asked twice', async () => (await reconciled()).length >= 2);
  // The answer that was lost is known now.
  const { rows } = await database.query<{ status: string }>('select status from calls');
  expect(rows).toEqual([{ status: 'answered' }]);
  fake.calls.set(sid, { sid, status: 'completed', endedAt: new Date(), durationSec: 5 });
  expect(await ended()).toMatchObject({ status: 'completed', inferred: false });
  expect(timersOf(await factsIn(station)).filter(({ name }) => name === 'inference')).toEqual([]);
});

test('what the provider does not know ends by inference, at once', async () => {
  await addTwilio();
  await station.record([told(sid, 'answered')]);
  work({ timers: { ...rules, patienceMs: 3_600_000 } });
  expect(await ended()).toMatchObject({
    ...{ status: 'completed', inferred: true, reason: 'provider_does_not_know_it' },
  });
});

test('without an account of the tenant the end is inferred, and says so', async () => {
  await station.record([told(sid, 'answered')]);
  work({ timers: { ...rules, patienceMs: 3_600_000 } });
  expect(await ended()).toMatchObject({ inferred: true, reason: 'no_credentials' });
});

test('of several accounts the one that knows the call is found', async () => {
  await addTwilio({ ...twilioAccount, authToken: 'fictional-of-another' });
  await addTwilio();
  fake.calls.set(sid, { sid, status: 'completed', endedAt, durationSec: 3 });
  await station.record([told(sid, 'answered')]);
  work();
  expect(await ended()).toMatchObject({ inferred: false, duration_sec: 3 });
});

test('credentials that are refused, and a provider that is away, are given the patience; then the end is inferred', async () => {
  await addTwilio({ ...twilioAccount, authToken: 'fictional-and-old' });
  await station.record([told(sid, 'answered')]);
  work({ timers: { ...rules, patienceMs: 500 } });
  expect(await ended()).toMatchObject({ inferred: true, reason: 'credentials_refused' });
});

test('429, 5xx and silence are waited out', async () => {
  await addTwilio();
  fake.calls.set(sid, { sid, status: 'completed', endedAt, durationSec: 61 });
  fake.trouble.push(
    { kind: 'status', status: 503 },
    { kind: 'silence' },
    { kind: 'status', status: 429, retryAfter: '1' },
  );
  await station.record([told(sid, 'answered')]);
  work({ timers: { ...rules, patienceMs: 60_000 } });
  expect(await ended()).toMatchObject({ status: 'completed', inferred: false });
});

test('a provider that never answers opens the breaker, and the call ends by inference all the same', async () => {
  await addTwilio();
  fake.trouble.push(
    ...Array.from({ length: 500 }, () => ({ kind: 'status', status: 500 }) as const),
  );
  await station.record([told(sid, 'answered')]);
  for (let i = 0; i < 6; i += 1) {
    await station.record([told(`CA0000000000000000000000000000010${i}`, 'ringing')]);
  }
  work({ timers: { ...rules, patienceMs: 2_500 } });
  expect(await ended()).toMatchObject({ inferred: true, reason: 'provider_unreachable' });
  // Five questions of three attempts each; then nobody is asked.
  expect(fake.paths.length).toBeLessThanOrEqual(7 * 3);
});

test('the real end that comes after the inference takes its place', async () => {
  await station.record([told(sid, 'answered')]);
  work();
  expect(await ended()).toMatchObject({ inferred: true });
  await station.record([
    { ...told(sid, 'completed'), order: { phase: 2, atUs: 1_790_000_060_000_000, seq: 0 } },
  ]);
  await until('superseded', async () => {
    const { rows } = await database.query<Row>('select inferred, status from calls');
    return rows[0]?.inferred === false && rows[0].status === 'completed';
  });
});

const telnyxFact = (name: string, signal: CallFact['signal']): CallFact => ({
  ...told('leg-1', 'answered'),
  ...{ factId: factId(name), sessionRef: 'session-1', signal, eventType: name },
  details: { callControlId: 'v3:control-1' },
});

test('Telnyx’s events of the leg tell what was lost: answer and hangup', async () => {
  await addTelnyx();
  const at = (ms: number): Date => new Date(1_790_000_000_000 + ms);
  const common = { leg: 'leg-1', session: 'session-1' };
  fake.events.push(
    { ...common, name: 'call.initiated', at: at(0), metadata: { direction: 'incoming' } },
    { ...common, name: 'call.answered', at: at(4_000) },
    {
      ...common,
      name: 'call.hangup',
      at: at(64_000),
      metadata: { payload: { hangup_cause: 'normal_clearing' } },
    },
  );
  await station.record([telnyxFact('call.initiated', says('ringing'))], { provider: 'telnyx' });
  work();
  expect(await ended()).toMatchObject({
    ...{ status: 'completed', inferred: false, duration_sec: 60 },
  });
});

test('without its events Telnyx is asked whether the call is alive', async () => {
  await addTelnyx();
  const handle = { leg: 'leg-1', session: 'session-1' };
  fake.alive.set('v3:control-1', { ...handle, isAlive: false, endedAt });
  await station.record([telnyxFact('call.answered', says('answered'))], { provider: 'telnyx' });
  work();
  expect(await ended()).toMatchObject({ status: 'completed', inferred: false });
  expect(fake.paths.some((path) => path.startsWith('/v2/calls/v3%3Acontrol-1'))).toBe(true);
});

test('two that reconcile the same timer tell one fact', async () => {
  await addTwilio();
  fake.calls.set(sid, { sid, status: 'completed', endedAt, durationSec: 61 });
  await station.record([told(sid, 'answered')]);
  work();
  await ended();
  const [first] = await reconciled();
  // As another scheduler, or `trunkline reconcile`, would tell it.
  if (first === undefined) throw new Error('nothing reconciled');
  await station.record([first]);
  await until('the copy is known', () =>
    station.events().some(({ body }) => body.type === 'call.duplicate_seen'),
  );
});
