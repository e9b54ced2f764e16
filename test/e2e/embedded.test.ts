// The product as a newcomer runs it: one command on the embedded default. What is shown when it starts,
// stops, is killed and starts again, and what it says when it cannot start.

import { existsSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { createLocalTokens } from '../../runtime/tokens.js';
import type { CallItem } from '../../schemas/live-frames.js';
import { tenantId } from '../../schemas/ids.js';
import { freshDirectory, runTrunkline, startProduct, type Product } from '../services/product.js';
import { freePort, until } from '../services/shared.js';
import { demoToken, get, listCalls, listEntries, openLive, type Caller } from './live.js';

const data = freshDirectory('embedded');
const running: Product[] = [];

async function start(...args: string[]): Promise<Product> {
  const product = await startProduct({ args, data });
  running.push(product);
  return product;
}

afterAll(async () => {
  for (const product of running) await product.end('SIGKILL');
  // The orphaned server of a run that failed is stopped by the next start.
  if (existsSync(join(data, 'lock.json'))) await (await startProduct({ data })).end('SIGTERM');
  rmSync(join(data, 'postgres'), { recursive: true, force: true });
});

const say = (figure: string): void => {
  process.stdout.write(`embedded: ${figure}\n`);
};

/** A caller of the demo tenant where `serve` runs without `--demo`. */
async function signedCaller({ url }: Product): Promise<Caller> {
  const master = Buffer.from(readFileSync(join(data, 'master.key'), 'utf8').trim(), 'base64');
  const tokens = await createLocalTokens(master, { issuer: 'trunkline', audience: 'trunkline' });
  const claims = { tenant: tenantId('demo'), role: 'viewer', subject: 'test' } as const;
  return { url, token: await tokens.sign(claims, 600_000) };
}

const isEnded = ({ status }: CallItem): boolean => status === 'completed' || status === 'failed';

describe('serve --demo on a fresh directory', () => {
  let product: Product;
  const seen = new Map<string, CallItem>();
  let lastSeq = 0;
  let epoch = '';

  beforeAll(async () => {
    product = await start('--demo');
    say(`first start ready in ${product.readyMs} ms`);
  });

  test('is ready soon, and says where to look and what to type', async () => {
    expect(product.readyMs).toBeLessThan(20_000);
    // It is ready a moment before it says so.
    await until('the banner', () => product.output().includes(product.url));
    for (const words of [`${product.url}/`, 'curl', 'wscat', 'Twilio', 'Ctrl-C', 'master key']) {
      expect(product.output()).toContain(words);
    }
    expect(statSync(join(data, 'master.key')).mode & 0o777).toBe(0o600);
  });

  test('shows calls that move, live and by query', async () => {
    const live = openLive(product, () => demoToken(product.url));
    const calls = live.subscribe('calls');
    const seqs: number[] = [];
    calls.onEvent((_, seq) => seqs.push(seq));
    await until('calls to begin and to end', () => {
      const all = [...calls.items.values()];
      return seqs.length >= 30 && all.length >= 6 && all.some(isEnded);
    });
    expect(live.state.status).toBe('live');
    expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b));
    const caller = { url: product.url, token: await demoToken(product.url) };
    const { items } = await listCalls(caller);
    expect(items.length).toBeGreaterThanOrEqual(6);
    const ended = items.find(isEnded);
    if (ended === undefined) throw new Error('no call has ended');
    const { items: entries } = await listEntries(caller, ended.id);
    expect(entries.map(({ status }) => status)).toContain(ended.status);
    for (const path of ['/v1/messages', '/v1/stats', '/v1/endpoints', '/v1/events']) {
      expect((await get(caller, path)).status, path).toBe(path === '/v1/endpoints' ? 403 : 200);
    }
    live.close();
  });

  test('stops cleanly on Ctrl-C', async () => {
    const live = openLive(product, () => demoToken(product.url));
    const calls = live.subscribe('calls');
    await until('the view to be live', () => calls.isLive);
    const ended = await product.end('SIGINT');
    say(`Ctrl-C took ${ended.tookMs} ms`);
    for (const call of calls.items.values()) seen.set(call.id, call);
    lastSeq = calls.cursor?.seq ?? 0;
    epoch = calls.cursor?.epoch ?? '';
    live.close();
    expect(ended.code, product.output()).toBe(0);
    expect(ended.tookMs).toBeLessThan(3_000);
    expect(seen.size).toBeGreaterThan(5);
  });

  test('goes on where it was: every call stands, and the sequence goes on', async () => {
    product = await start('--demo');
    say(`second start ready in ${product.readyMs} ms`);
    expect(product.readyMs).toBeLessThan(12_000);
    expect(product.output()).not.toContain('master key was made');
    const caller = { url: product.url, token: await demoToken(product.url) };
    const { items, asOf } = await listCalls(caller);
    expect(asOf.epoch).toBe(epoch);
    expect(asOf.seq).toBeGreaterThanOrEqual(lastSeq);
    const now = new Map(items.map((call) => [call.id, call]));
    for (const [id, before] of seen) {
      const after = now.get(id);
      expect(after, `call ${id} is there`).toBeDefined();
      if (isEnded(before)) expect(after).toMatchObject(lasting(before));
    }
    const live = openLive(product, () => demoToken(product.url));
    const calls = live.subscribe('calls');
    await until('the sequence to go on', () => (calls.cursor?.seq ?? 0) > asOf.seq + 10);
    live.close();
  });

  test('a second instance on the same directory is refused in one line', async () => {
    const { code, stderr, stdout } = await runTrunkline(['serve'], { data });
    expect(code).toBe(69);
    expect(stdout).toBe('');
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stderr).toContain(`in use by \`trunkline serve\` (pid ${product.pid})`);
    expect(stderr).toContain('TRUNKLINE_DATA');
  });

  test('a port in use is said in one line', async () => {
    const env = { TRUNKLINE_PORT: String(product.port), TRUNKLINE_LOG_LEVEL: 'warn' };
    const other = { data: freshDirectory('port'), env };
    const { code, stderr } = await runTrunkline(['serve'], other);
    expect(code).toBe(69);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stderr).toContain(`127.0.0.1:${product.port}`);
    expect(stderr).toContain('TRUNKLINE_PORT');
  });

  test('is killed in mid-stream, and the next start finds everything', async () => {
    const caller = { url: product.url, token: await demoToken(product.url) };
    const before = await listCalls(caller);
    await product.end('SIGKILL');
    product = await start();
    say(`start after kill -9 ready in ${product.readyMs} ms`);
    const after = await quiet(await signedCaller(product));
    expect(after.asOf.epoch).toBe(before.asOf.epoch);
    expect(after.asOf.seq).toBeGreaterThanOrEqual(before.asOf.seq);
    const ids = new Set(after.items.map(({ id }) => id));
    for (const { id } of before.items) expect(ids).toContain(id);
    const stopped = await product.end('SIGTERM');
    expect(stopped.code, product.output()).toBe(0);
    product = await start();
    expect(await listCalls(await signedCaller(product))).toEqual(after);
    expect((await product.end('SIGTERM')).code).toBe(0);
  });
});

/** What no late delivery changes of a call that has ended. */
const lasting = ({ id, status, cause, direction, from, to, startedAt }: CallItem) => ({
  ...{ id, status, cause, direction, from, to, startedAt },
});

/** The calls once everything that was on its way has arrived: the log says that it holds no more. */
async function quiet(caller: Caller) {
  await until('the projections to reach the end of the log', async () => {
    const { code, stdout } = await runTrunkline(['projections', 'list', '--json'], { data });
    const listed = code === 0 ? (JSON.parse(stdout) as { name: string; lagRecords: number }[]) : [];
    const lag = listed.find(({ name }) => name === 'calls')?.lagRecords ?? 1;
    return lag === 0;
  });
  return listCalls(caller);
}

describe('what cannot start', () => {
  test('says every fault of the configuration at once', async () => {
    const env = {
      TRUNKLINE_PORT: '99999999',
      TRUNKLINE_DRAIN: 'soon',
      TRUNKLINE_MASTER_KEY: 'hunter2hunter2',
      TRUNKLINE_PROT: '1',
      TRUNKLINE_KAFKA_MIN_ISR: '3',
    };
    const { code, stderr } = await runTrunkline(['serve'], { data: freshDirectory('faults'), env });
    expect(code).toBe(78);
    for (const name of Object.keys(env)) expect(stderr).toContain(name);
    expect(stderr).not.toContain('hunter2');
  });

  test('says which service cannot be reached, in one line', async () => {
    const port = await freePort();
    const env = {
      DATABASE_URL: `postgres://user:secret-password@127.0.0.1:${port}/none`,
      TRUNKLINE_START_WAIT: '0s',
    };
    const { code, stderr } = await runTrunkline(['serve'], { data: freshDirectory('away'), env });
    expect(code).toBe(69);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stderr).toContain(`127.0.0.1:${port}`);
    expect(stderr).not.toContain('secret-password');
  });

  test('says which role there is not', async () => {
    const run = await runTrunkline(['serve', '--roles', 'ingest,oracle'], {
      data: freshDirectory('roles'),
    });
    expect(run.code).toBe(2);
    expect(run.stderr).toContain('"oracle" is none of ingest, processors, projections, gateway');
  });
});
