import { expect, test } from 'vitest';

import { partitionConflict } from '../../log/known-log.js';
import { openLateLog } from '../../log/late.js';
import { createMemoryLog, MemoryStore } from '../../log/memory.js';
import { TrunklineError } from '../../runtime/errors.js';
import { record, recordingLogger } from '../ingest/fixtures.js';
import { offset } from '../../schemas/ids.js';

const known = { driver: 'memory', partitions: 2, maxBatchBytes: 1000 } as const;
const away = (): Promise<never> =>
  Promise.reject(new TrunklineError('service_unreachable', 'no broker answers'));

function setUp(partitions = 2) {
  const store = new MemoryStore({ partitions });
  const { logger, lines } = recordingLogger();
  const state = { isAway: true, opened: 0 };
  const open = () => (state.isAway ? away() : Promise.resolve(createMemoryLog(store)));
  const onOpen = () => {
    state.opened += 1;
    return Promise.resolve();
  };
  return { store, state, lines, options: { known, open, onOpen, logger, patienceMs: 50 } };
}

const turns = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
};

test('a log that is there is used at once', async () => {
  const { state, options, store } = setUp();
  state.isAway = false;
  const { log, state: stateOf } = await openLateLog(options);
  expect(stateOf()).toEqual({ kind: 'open' });
  expect(state.opened).toBe(1);
  const appender = await log.openAppender();
  await appender.append('deliveries', 1, [record('one')]);
  expect(store.records('deliveries', 1)).toHaveLength(1);
  await log.close();
});

test('while it is away appends are refused at once and readers wait; then both go on', async () => {
  const { state, options, lines } = setUp();
  const { log, state: stateOf } = await openLateLog(options);
  expect(stateOf()).toEqual({ kind: 'away', detail: 'no broker answers' });
  expect(log.partitions).toBe(2);
  await expect(log.openAppender()).rejects.toMatchObject({ code: 'service_unreachable' });
  const bounds = log.bounds('deliveries', 0);
  const assigned: number[] = [];
  const leave = new AbortController();
  const joined = log.joinProcessors(
    { assigned: (partition) => assigned.push(partition), revoked: () => undefined },
    leave.signal,
  );
  state.isAway = false;
  expect(await bounds).toEqual({ first: offset(0), next: offset(0) });
  await turns(() => assigned.length === 2);
  await log.openAppender();
  expect(lines.map(({ fields }) => fields['code'])).toEqual(['log_away', 'log_there']);
  leave.abort();
  await joined;
  await log.close();
});

test('a log that answers at the start and refuses ends the start', async () => {
  const { options } = setUp();
  const open = () => Promise.reject(new TrunklineError('topic_settings', 'wrong retention'));
  await expect(openLateLog({ ...options, open })).rejects.toMatchObject({ code: 'topic_settings' });
});

test('a log that comes back with another P is never appended to', async () => {
  const { state, options, lines, store } = setUp(3);
  const { log, state: stateOf } = await openLateLog(options);
  state.isAway = false;
  await turns(() => stateOf().kind === 'refused');
  await expect(log.openAppender()).rejects.toMatchObject({ code: 'service_unreachable' });
  expect(stateOf()).toMatchObject({
    detail: expect.stringContaining('has 3 partitions') as string,
  });
  expect(lines.map(({ fields }) => fields['code'])).toEqual(['log_away', 'log_refused']);
  expect(store.records('deliveries', 0)).toEqual([]);
  await log.close();
});

test('a stop while it is away ends those who wait', async () => {
  const { options } = setUp();
  const { log } = await openLateLog(options);
  const bounds = log.bounds('deliveries', 0);
  const leave = new AbortController();
  const listener = { assigned: () => undefined, revoked: () => undefined };
  const joined = log.joinProcessors(listener, leave.signal);
  leave.abort();
  await joined;
  await log.close();
  await expect(bounds).rejects.toMatchObject({ code: 'service_unreachable' });
});

test.each([
  ['nothing is remembered', null, 0, null],
  ['the same P', { partitions: 8, isConfirmed: true }, 5, null],
  ['another P that the log has', { partitions: 4, isConfirmed: true }, 0, 'config_invalid'],
  ['another P that was only configured', { partitions: 4, isConfirmed: false }, 0, null],
  ['deliveries under another P', { partitions: 4, isConfirmed: false }, 5, 'topic_settings'],
] as const)('P of the configuration beside %s', (_what, remembered, spooled, code) => {
  const name = 'kafka/trunkline';
  const before = remembered === null ? null : { name, ...remembered };
  expect(partitionConflict(before, { name, partitions: 8 }, spooled)?.code ?? null).toBe(code);
});
