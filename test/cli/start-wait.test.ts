// A start while a part is away: alive, not ready, and saying what it waits for.

import { createServer } from 'node:net';
import { once } from 'node:events';
import { expect, test } from 'vitest';

import { untilThere } from '../../cli/start-wait.js';
import { readConfig, type Config } from '../../runtime/config.js';
import { TrunklineError } from '../../runtime/errors.js';
import { silentLogger } from '../../runtime/logger.js';

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

function configOf(env: Readonly<Record<string, string>>): Config {
  const read = readConfig(env);
  if (!read.ok) throw new Error(JSON.stringify(read.faults));
  return read.config;
}

const away = (cause?: Error): TrunklineError =>
  new TrunklineError('service_unreachable', 'PostgreSQL at db:5432 does not answer', { cause });

test('waits for a part that is away, says so at its port, and goes on when it is there', async () => {
  const port = await freePort();
  const config = configOf({ TRUNKLINE_PORT: String(port) });
  const { signal } = new AbortController();
  let seen: unknown = null;
  const opened = await untilThere(
    'postgres',
    async () => {
      const answer = await fetch(`http://127.0.0.1:${port}/health/ready`).catch(() => null);
      if (answer === null) throw away();
      seen = [answer.status, await answer.json()];
      expect((await fetch(`http://127.0.0.1:${port}/health`)).status).toBe(200);
      return 'there';
    },
    { config, logger: silentLogger, signal },
  );
  expect(opened).toBe('there');
  const detail = 'waiting: PostgreSQL at db:5432 does not answer';
  expect(seen).toEqual([
    503,
    { status: 'not ready', checks: [{ name: 'postgres', ok: false, status: 'failed', detail }] },
  ]);
  await expect(fetch(`http://127.0.0.1:${port}/health`)).rejects.toThrow();
});

test('what waiting does not heal ends the start at once', async () => {
  const config = configOf({ TRUNKLINE_PORT: '0' });
  const { signal } = new AbortController();
  const refused = Object.assign(new Error('password authentication failed'), { code: '28P01' });
  const faults = [new TrunklineError('topic_settings', 'P differs'), away(refused)];
  for (const fault of faults) {
    let asked = 0;
    const opening = untilThere(
      'postgres',
      () => {
        asked += 1;
        return Promise.reject(fault);
      },
      { config, logger: silentLogger, signal },
    );
    await expect(opening).rejects.toBe(fault);
    expect(asked).toBe(1);
  }
});

test('ends when it is told to stop, and at once where it must not wait', async () => {
  const stop = new AbortController();
  const config = configOf({ TRUNKLINE_PORT: '0' });
  const stopped = untilThere(
    'kafka',
    () => {
      queueMicrotask(() => stop.abort());
      return Promise.reject(away());
    },
    { config, logger: silentLogger, signal: stop.signal },
  );
  await expect(stopped).rejects.toThrow();
  const asked = new AbortController();
  const whileAsked = untilThere(
    'kafka',
    () => {
      asked.abort(new Error('stopped meanwhile'));
      return Promise.reject(away());
    },
    { config, logger: silentLogger, signal: asked.signal },
  );
  await expect(whileAsked).rejects.toThrow('stopped meanwhile');
  const { signal } = new AbortController();
  const impatient = configOf({ TRUNKLINE_PORT: '0', TRUNKLINE_START_WAIT: '0s' });
  const opening = untilThere('kafka', () => Promise.reject(away()), {
    ...{ config: impatient, logger: silentLogger, signal },
  });
  await expect(opening).rejects.toMatchObject({ code: 'service_unreachable' });
});
