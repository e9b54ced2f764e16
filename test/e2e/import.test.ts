// End to end, on Kafka and PostgreSQL: kept deliveries are imported as a user does it, an import that was
// killed goes on where it was, and what came twice is applied once.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

import type { EndpointId } from '../../schemas/ids.js';
import { deliveriesFolder, publicBase, secretsOf } from '../ingest/stored-deliveries.js';
import { freshDirectory, runTrunkline } from '../services/product.js';
import { until } from '../services/shared.js';
import { Cluster, expectDense } from './cluster.js';

const calls = 3_000;

let cluster: Cluster;
const data = freshDirectory('import');

beforeAll(async () => {
  cluster = await Cluster.open({ name: 'import' });
  await cluster.start('processors,projections');
});
afterAll(() => cluster.close());

const run = (endpoint: EndpointId, args: readonly string[], kill?: AbortSignal) =>
  runTrunkline(['import', '--endpoint', endpoint, ...args], {
    ...{ data, env: cluster.env },
    ...(kill === undefined ? {} : { kill }),
  });

async function count(table: 'calls' | 'messages', tenant: string): Promise<number> {
  const { rows } = await cluster.installation.database.query<{ count: string }>(
    `select count(*) from ${table} where tenant_id = $1`,
    [tenant],
  );
  return Number(rows[0]?.count);
}

test('a directory of kept deliveries becomes the calls they tell of; again, nothing more', async () => {
  const twilio = await cluster.endpoint('kept', 'twilio', secretsOf('twilio'), publicBase);
  const first = await run(twilio, ['--json', deliveriesFolder]);
  const report = JSON.parse(first.stdout) as Record<string, number>;
  // All of them in one folder, and each of the other providers' says that it is theirs.
  expect(report['lines']).toBe(160);
  expect(first.code).toBe(1);
  expect(first.stderr).toContain('(provider_other)');
  await cluster.processed();
  const before = [await count('calls', 'kept'), await count('messages', 'kept')];
  expect(before[0]).toBeGreaterThan(5);

  const again = await run(twilio, ['--json', deliveriesFolder]);
  expect(again.stderr).toContain('were imported before');
  const anew = await run(twilio, ['--json', '--from-start', deliveriesFolder]);
  expect(JSON.parse(anew.stdout)).toEqual(report);
  await cluster.processed();
  expect([await count('calls', 'kept'), await count('messages', 'kept')]).toEqual(before);
});

/** One call a line, unsigned. */
function archive(): string {
  const path = join(data, 'archive.ndjson');
  const lines = Array.from({ length: calls }, (_, n) => {
    const sid = `CA${String(n).padStart(32, '0')}`;
    const fields = {
      ...{
        CallSid: sid,
        AccountSid: secretsOf('twilio')['accountSid'] ?? '',
        ApiVersion: '2010-04-01',
      },
      ...{ CallStatus: 'completed', CallDuration: '7', Direction: 'inbound' },
      ...{ From: '+15550100001', To: '+15550100002' },
    };
    const rawBody = new URLSearchParams(fields).toString();
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded' };
    return JSON.stringify({ headers, rawBody, receivedAt: 1_790_848_800 + n });
  });
  writeFileSync(path, `${lines.join('\n')}\n`);
  return path;
}

test('an import that is killed goes on where it was, and every call is there once', async () => {
  const twilio = await cluster.endpoint('archive', 'twilio', secretsOf('twilio'), publicBase);
  const path = archive();
  const kill = new AbortController();
  const args = ['--unsigned', '--rate', '1500', path];
  const killed = run(twilio, args, kill.signal);
  await until(
    'a part of the calls to be there',
    async () => (await count('calls', 'archive')) > 400,
  );
  kill.abort();
  expect((await killed).code).toBeNull();

  const rest = await run(twilio, args);
  expect(rest.code, rest.stderr).toBe(0);
  expect(rest.stderr).toMatch(/going on after \d+ lines/);
  expect(rest.stdout).toContain(`${calls} lines: ${calls} in the bulk lane`);
  await cluster.processed();
  expect(await count('calls', 'archive')).toBe(calls);
  const history = await cluster.history();
  expectDense(history);
  const events = history.tenants.get('archive') ?? [];
  const facts = events.filter(({ body }) => body.kind === 'call' && body.fact !== null);
  expect(facts).toHaveLength(calls);
});

test('what was imported is no part of the real-time lane', async () => {
  for (let partition = 0; partition < cluster.log.partitions; partition += 1) {
    expect((await cluster.log.bounds('deliveries', partition)).next).toBe(0);
  }
});

test('a source that has changed, an endpoint and a path that are not there are named', async () => {
  const twilio = await cluster.endpoint('changed', 'twilio', secretsOf('twilio'), publicBase);
  const path = join(data, 'changing.ndjson');
  writeFileSync(path, '{}\n{}\n');
  expect((await run(twilio, [path])).code).toBe(1);
  writeFileSync(path, '{"other":1}\n{}\n');
  const changed = await run(twilio, [path]);
  expect(changed.stderr).toContain('--from-start');
  const unknown = await run('ep_0000000000000000' as EndpointId, [path]);
  expect(unknown.stderr).toContain('trunkline endpoint list');
  const absent = await run(twilio, [join(data, 'absent')]);
  expect(absent.stderr).toContain('cannot be read');
});
