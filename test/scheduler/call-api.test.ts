// One question to a provider's API: what is tried again, what is not, and what no text ever holds.

import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';

import { AccountGate } from '../../scheduler/account-gate.js';
import { askApi, type ApiAnswer } from '../../scheduler/call-api.js';
import { FakeProviders, twilioAccount } from './fake-provider.js';

let fake: FakeProviders;
beforeAll(async () => {
  fake = await FakeProviders.start();
});
beforeEach(() => {
  fake.paths.length = 0;
  fake.trouble.length = 0;
  waits.length = 0;
});
afterAll(() => fake.close());

const waits: number[] = [];
const options = {
  timeoutMs: 200,
  random: () => 1,
  sleep: (ms: number) => {
    waits.push(ms);
    return Promise.resolve();
  },
};
const never = new AbortController().signal;
const { accountSid, authToken } = twilioAccount;
const authorization = `Basic ${Buffer.from(`${accountSid}:${authToken}`).toString('base64')}`;

const ask = (headers: Record<string, string> = { authorization }): Promise<ApiAnswer> =>
  askApi(
    { url: `${fake.url}/2010-04-01/Accounts/${accountSid}/Calls/CA1.json`, headers },
    options,
    never,
  );

test('an answer is its JSON', async () => {
  fake.calls.set('CA1', { sid: 'CA1', status: 'completed' });
  expect(await ask()).toMatchObject({ kind: 'ok', json: { sid: 'CA1' } });
  fake.calls.clear();
});

test('404 is an answer: it does not know the call', async () => {
  expect(await ask()).toEqual({ kind: 'unknown' });
  expect(fake.paths).toHaveLength(1);
});

test('credentials that are refused are not tried again', async () => {
  expect(await ask({})).toEqual({ kind: 'refused', status: 401 });
  expect(fake.paths).toHaveLength(1);
});

test('a server that fails, is silent or talks nonsense is tried again, with full jitter and ever more patience', async () => {
  fake.trouble.push({ kind: 'status', status: 503 }, { kind: 'silence' });
  expect(await ask()).toEqual({ kind: 'unknown' });
  expect(fake.paths).toHaveLength(3);
  expect(waits).toEqual([500, 1_000]);
  fake.trouble.push({ kind: 'garbage' }, { kind: 'status', status: 500 }, { kind: 'silence' });
  expect(await ask()).toEqual({ kind: 'unreachable', why: 'no answer in 200 ms' });
});

test('429 is not tried again here: it says when', async () => {
  fake.trouble.push({ kind: 'status', status: 429, retryAfter: '7' });
  expect(await ask()).toEqual({ kind: 'busy', afterMs: 7_000 });
  const at = new Date(Date.now() + 90_000).toUTCString();
  fake.trouble.push({ kind: 'status', status: 429, retryAfter: at });
  const answer = await ask();
  expect(answer.kind === 'busy' && answer.afterMs).toBeGreaterThan(85_000);
  fake.trouble.push({ kind: 'status', status: 429, retryAfter: '9999999' });
  expect(await ask()).toEqual({ kind: 'busy', afterMs: 600_000 });
  fake.trouble.push({ kind: 'status', status: 429 });
  expect(await ask()).toEqual({ kind: 'busy', afterMs: 5_000 });
});

test('a port where nobody listens is no connection', async () => {
  const gone = await FakeProviders.start();
  await gone.close();
  const asked = askApi({ url: `${gone.url}/v2/calls/x`, headers: {} }, options, never);
  expect(await asked).toEqual({ kind: 'unreachable', why: 'no connection' });
});

test('a redirect is not followed with our credentials', async () => {
  fake.trouble.push(...Array.from({ length: 3 }, () => ({ kind: 'status', status: 302 }) as const));
  expect((await ask()).kind).not.toBe('ok');
});

test('an abort ends the question at once', async () => {
  const controller = new AbortController();
  fake.trouble.push({ kind: 'silence' });
  const url = `${fake.url}/v2/calls/x`;
  const asked = askApi({ url, headers: {} }, { ...options, timeoutMs: 60_000 }, controller.signal);
  controller.abort(new Error('stopped'));
  await expect(asked).rejects.toThrow('stopped');
});

const failed: ApiAnswer = { kind: 'unreachable', why: 'status 500' };
const ok: ApiAnswer = { kind: 'ok', json: {} };

test('the gate lets through as many as the rate, and no more', () => {
  let now = 0;
  const gate = new AccountGate({ ratePerSecond: 2, now: () => now });
  expect([gate.waitMs(), gate.waitMs(), gate.waitMs()]).toEqual([0, 0, 500]);
  now = 500;
  expect([gate.waitMs(), gate.waitMs()]).toEqual([0, 500]);
});

test('the gate keeps to Retry-After, for every question', () => {
  let now = 0;
  const gate = new AccountGate({ ratePerSecond: 100, now: () => now });
  gate.report({ kind: 'busy', afterMs: 9_000 });
  expect(gate.waitMs()).toBe(9_000);
  now = 9_000;
  expect(gate.waitMs()).toBe(0);
});

test('the breaker opens after five failures, lets one question through after a while, and closes when it is answered', () => {
  let now = 0;
  const gate = new AccountGate({ ratePerSecond: 100, now: () => now });
  for (let i = 0; i < 4; i += 1) gate.report(failed);
  expect(gate.isOpen).toBe(false);
  gate.report(failed);
  expect(gate.isOpen).toBe(true);
  expect(gate.waitMs()).toBe(15_000);
  now = 15_000;
  expect(gate.waitMs()).toBe(0);
  // One at a time while it is tried.
  expect(gate.waitMs()).toBeGreaterThan(0);
  gate.report(failed);
  expect(gate.waitMs()).toBe(30_000);
  now = 45_000;
  expect(gate.waitMs()).toBe(0);
  // Given up half-way: the next one may try.
  gate.report(null);
  expect(gate.waitMs()).toBe(0);
  gate.report(ok);
  expect(gate.isOpen).toBe(false);
  expect([gate.waitMs(), gate.waitMs()]).toEqual([0, 0]);
});

test('a single answer in between closes the count of failures', () => {
  const gate = new AccountGate({ ratePerSecond: 100, now: () => 0 });
  for (let i = 0; i < 4; i += 1) gate.report(failed);
  gate.report({ kind: 'unknown' });
  for (let i = 0; i < 4; i += 1) gate.report(failed);
  expect(gate.isOpen).toBe(false);
});
