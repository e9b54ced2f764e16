// The moment in which a process begins to listen.

import { expect, test } from 'vitest';

import { listenAndRefresh, type Listening } from '../../cli/listen.js';
import { TrunklineError } from '../../runtime/errors.js';

const away = new TrunklineError('service_unreachable', 'PostgreSQL cannot be reached');

function place(change: Partial<Listening['registry']> = {}) {
  const told: string[] = [];
  const listening: Listening = {
    server: { listen: (_, port) => Promise.resolve(port === 0 ? 4321 : port) },
    registry: {
      freshness: () => ({ isFresh: true, readAt: 0 }),
      refresh: () => {
        told.push('refreshed');
        return Promise.resolve();
      },
      ...change,
    },
    ...{ host: '127.0.0.1', port: 0, onPort: (port) => void told.push(`port ${port}`) },
  };
  return { listening, told };
}

test('the registry is read anew once the port is known', async () => {
  const { listening, told } = place();
  expect(await listenAndRefresh(listening)).toBe(4321);
  expect(told).toEqual(['port 4321', 'refreshed']);
});

test('PostgreSQL that goes away in this very moment ends nothing', async () => {
  const { listening } = place({ refresh: () => Promise.reject(away) });
  expect(await listenAndRefresh(listening)).toBe(4321);
});

test('while PostgreSQL is away nothing is read', async () => {
  const { listening, told } = place({ freshness: () => ({ isFresh: false, readAt: 0 }) });
  await listenAndRefresh(listening);
  expect(told).toEqual(['port 4321']);
});

test('a port that is taken is said', async () => {
  const taken = new TrunklineError('port_in_use', 'cannot listen');
  const { listening } = place();
  const server = { listen: () => Promise.reject(taken) };
  await expect(listenAndRefresh({ ...listening, server })).rejects.toBe(taken);
});
