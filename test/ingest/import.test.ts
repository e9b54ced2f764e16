// Imports on a memory log: what a line may be, what it means that it is old, and that a batch whose outcome is
// unknown goes again.

import { describe, expect, test } from 'vitest';

import { DrainRate } from '../../ingest/drain-rate.js';
import { readImportLine } from '../../ingest/import-line.js';
import { importLines, type ImportProgress, type RefusedLine } from '../../ingest/import.js';
import { createLocalCodec } from '../../log/event-codec.js';
import type { EventLog } from '../../log/event-log.js';
import { createMemoryLog, MemoryStore } from '../../log/memory.js';
import { createKeyRing } from '../../runtime/keys.js';
import { silentLogger } from '../../runtime/logger.js';
import { createMemoryKeyStore } from '../../runtime/memory-key-store.js';
import { endpointOf, storedDeliveries, type StoredDelivery } from './stored-deliveries.js';

const now = Date.UTC(2026, 11, 24);

const read = (line: object, isVouchedFor = false, provider = 'twilio') =>
  readImportLine(JSON.stringify(line), {
    endpoint: { ...endpointOf(provider), publicBaseUrl: 'https://moved.example.test' },
    isVouchedFor,
    correlationId: 'import:test',
    now,
  });

const lineOf = ({ method, url, headers, rawBody, _signedAt }: StoredDelivery) => ({
  ...{ method, url, headers, rawBody },
  receivedAt: _signedAt,
});

const one = (provider: string): StoredDelivery => {
  const found = storedDeliveries.find((delivery) => delivery.provider === provider);
  if (found === undefined) throw new Error(`no stored delivery of ${provider}`);
  return found;
};

describe('a line', () => {
  test.each(storedDeliveries.map((delivery) => [delivery.file, delivery] as const))(
    '%s is taken long after it was signed, and at another URL',
    (_file, delivery) => {
      const { provider } = delivery;
      const taken = read(lineOf(delivery), false, provider);
      expect(taken).toMatchObject({ ok: true, delivery: { url: delivery.url } });
    },
  );

  test('without a time was received when it was signed', () => {
    const delivery = one('telnyx');
    const taken = read({ ...lineOf(delivery), receivedAt: null }, false, 'telnyx');
    expect(taken).toMatchObject({ delivery: { raw: { receivedAt: delivery._signedAt * 1000 } } });
  });

  test('takes a time as text or as unix seconds', () => {
    const line = lineOf(one('twilio'));
    const text = read({ ...line, receivedAt: '2026-10-01T12:00:00+02:00' });
    const seconds = read({ ...line, receivedAt: Date.UTC(2026, 9, 1, 10) / 1000 });
    const receivedAt = Date.UTC(2026, 9, 1, 10);
    expect(text).toMatchObject({ delivery: { raw: { receivedAt } } });
    expect(seconds).toMatchObject({ delivery: { raw: { receivedAt } } });
  });

  const line = lineOf(one('twilio'));
  const cases: readonly [string, object | string, string][] = [
    ['is not JSON', '{"method":', 'line_invalid'],
    ['is no object', '[]', 'line_invalid'],
    ['has no body', { ...line, rawBody: undefined }, 'line_invalid'],
    ['has two bodies', { ...line, rawBodyBase64: 'QQ==' }, 'line_invalid'],
    ['has a path for a URL', { ...line, url: '/v1/hooks' }, 'line_invalid'],
    ['has a time that is none', { ...line, receivedAt: 'yesterday' }, 'line_invalid'],
    ['comes from the future', { ...line, receivedAt: now / 1000 + 3_600 }, 'received_in_future'],
    ['is of another provider', { ...line, provider: 'telnyx' }, 'provider_other'],
    ['came by PUT', { ...line, method: 'PUT' }, 'method_unsupported'],
    [
      'was changed',
      { ...line, rawBody: `${line.rawBody}&CallStatus=failed` },
      'signature_mismatch',
    ],
  ];
  test.each(cases)('that %s is refused', (_what, given, code) => {
    const text = typeof given === 'string' ? given : JSON.stringify(given);
    const options = { endpoint: endpointOf('twilio'), isVouchedFor: false };
    const refused = readImportLine(text, { ...options, correlationId: '', now });
    expect(refused).toMatchObject({ ok: false, code });
    if (!refused.ok) expect(refused.detail).not.toContain('failed&');
  });

  test('without a signature is taken when somebody vouches for it, and its facts say so', () => {
    const unsigned = { ...line, headers: { 'Content-Type': 'application/x-www-form-urlencoded' } };
    expect(read(unsigned)).toMatchObject({ ok: false });
    expect(read(unsigned, true)).toMatchObject({
      ok: true,
      mapped: { facts: [{ details: { imported: 'unsigned' } }] },
    });
  });

  test('with a right signature is not marked, also when somebody vouches', () => {
    const taken = read(line, true);
    if (!taken.ok) throw new Error(taken.detail);
    const [fact] = taken.mapped.facts;
    expect(fact).not.toMatchObject({ details: { imported: 'unsigned' } });
  });
});

/** Imports these texts into a memory log. */
async function run(
  texts: readonly (string | null)[],
  change: { log?: EventLog; perSecond?: number } = {},
) {
  const store = new MemoryStore({ partitions: 4 });
  const log = change.log ?? createMemoryLog(store);
  const refused: RefusedLine[] = [];
  const durable: ImportProgress[] = [];
  const stop = new AbortController();
  async function* lines() {
    for (const [i, text] of texts.entries())
      yield await Promise.resolve({ at: `line ${i + 1}`, text });
  }
  const keyRing = createKeyRing(Buffer.alloc(32, 7), createMemoryKeyStore());
  const end = await importLines(
    lines(),
    { lines: 0, taken: 0, refused: 0 },
    {
      options: {
        endpoint: endpointOf('twilio'),
        isVouchedFor: false,
        correlationId: 'import:test',
      },
      recorder: {
        log,
        keyRing,
        codec: createLocalCodec(),
        logger: silentLogger,
        sealedAt: () => now,
      },
      ...{
        log,
        rate: new DrainRate(change.perSecond ?? 100_000),
        clock: () => now,
        signal: stop.signal,
      },
      onDurable: (progress) => void durable.push(progress),
      onRefused: (line) => void refused.push(line),
    },
  );
  return { end, refused, durable, store };
}

describe('an import', () => {
  const text = JSON.stringify(lineOf(one('twilio')));

  test('counts and names what it refuses, and takes the rest in order', async () => {
    const { end, refused } = await run([text, '{', text, null]);
    expect(end).toEqual({ lines: 4, taken: 2, refused: 2 });
    expect(refused.map(({ at, code }) => [at, code])).toEqual([
      ['line 2', 'line_invalid'],
      ['line 4', 'line_invalid'],
    ]);
  });

  test('tells how far it is after each batch, and never beyond what is in the log', async () => {
    const { durable, end } = await run(Array<string>(450).fill(text));
    expect(durable.map(({ lines }) => lines)).toEqual([200, 400, 450]);
    expect(end.taken).toBe(450);
  });

  test('comes evenly: no batch is more than a tenth of a second’s worth', async () => {
    const { durable } = await run(Array<string>(12).fill(text), { perSecond: 50 });
    expect(durable.map(({ lines }) => lines)).toEqual([5, 10, 12]);
  });

  test('sends a batch again whose outcome is unknown, with a new appender', async () => {
    const store = new MemoryStore({ partitions: 4 });
    const log = createMemoryLog(store);
    let opened = 0;
    const shaky: EventLog = {
      ...log,
      openAppender: async () => {
        opened += 1;
        const appender = await log.openAppender();
        if (opened > 1) return appender;
        return { ...appender, append: () => Promise.reject(new Error('no ack')) };
      },
    };
    const { end } = await run([text], { log: shaky });
    expect([end.taken, opened]).toEqual([1, 2]);
  });
});
