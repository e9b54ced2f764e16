import { describe, expect, it } from 'vitest';
import { createHealth } from '../../runtime/health.js';
import { stopOnSignals, stopped, supervise } from '../../runtime/lifecycle.js';
import type { Task } from '../../runtime/lifecycle.js';
import { silentLogger } from '../../runtime/logger.js';
import { createMetrics } from '../../runtime/metrics.js';
import { TrunklineError } from '../../runtime/errors.js';

const untilStopped: Task = (signal) =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
const options = (signal: AbortSignal, drainMs = 1_000) => ({
  signal,
  drainMs,
  logger: silentLogger,
});

describe('supervised tasks', () => {
  it('drain and end well when they are asked to stop', async () => {
    const controller = new AbortController();
    const rejecting: Task = async (signal) => {
      await untilStopped(signal);
      signal.throwIfAborted();
    };
    const all = supervise({ a: untilStopped, b: rejecting }, options(controller.signal));
    controller.abort(stopped('a test'));
    await expect(all).resolves.toBeUndefined();
  });

  it('stop all when one fails, and give its error', async () => {
    let drained = false;
    const other: Task = async (signal) => {
      await untilStopped(signal);
      drained = true;
    };
    const failing: Task = () => Promise.reject(new TrunklineError('log_loss', 'a hole at 7'));
    const all = supervise({ other, failing }, options(new AbortController().signal));
    await expect(all).rejects.toMatchObject({ code: 'log_loss' });
    expect(drained).toBe(true);
  });

  it('count an end that nobody asked for as a failure', async () => {
    const all = supervise(
      { other: untilStopped, quitter: () => Promise.resolve() },
      options(new AbortController().signal),
    );
    await expect(all).rejects.toThrow('quitter ended although nobody stopped it');
  });

  it('name who has not drained by the deadline', async () => {
    const controller = new AbortController();
    const stuck: Task = () => new Promise(() => undefined);
    const all = supervise({ a: untilStopped, stuck }, options(controller.signal, 20));
    controller.abort(stopped('a test'));
    await expect(all).rejects.toThrow(/20 ms after the stop: stuck/);
  });
});

describe('process signals', () => {
  it('stop at the first and force at the second', () => {
    const seen: unknown[] = [];
    const stop = stopOnSignals({
      onStop: (name) => seen.push(name),
      force: (code) => seen.push(code),
    });
    process.emit('SIGINT', 'SIGINT');
    expect(stop.signal.aborted).toBe(true);
    process.emit('SIGTERM', 'SIGTERM');
    expect(seen).toEqual(['SIGINT', 143]);
    stop.dispose();
    expect(process.listenerCount('SIGHUP')).toBe(0);
  });
});

describe('health', () => {
  it('is the worst of its checks, and a check that hangs or throws has failed', async () => {
    const health = createHealth({ timeoutMs: 20 });
    health.add('log', () => ({ status: 'ok' }));
    expect(await health.report()).toMatchObject({ status: 'ok', ready: true });
    const remove = health.add('registry', async () => ({ status: 'degraded', detail: 'stale' }));
    expect(await health.report()).toMatchObject({ status: 'degraded', ready: true });
    remove();
    health.add('hangs', () => new Promise(() => undefined));
    health.add('throws', () => {
      throw new Error('connection of +15550100142');
    });
    health.add('ours', () => {
      throw new TrunklineError('service_unreachable', 'Kafka is away');
    });
    const report = await health.report();
    expect(report).toMatchObject({ status: 'failed', ready: false });
    const details = Object.fromEntries(report.checks.map((check) => [check.name, check.detail]));
    expect(details).toMatchObject({ hangs: 'no answer in 20 ms', ours: 'Kafka is away' });
    expect(JSON.stringify(report)).not.toContain('0100142');
    expect(() => health.add('log', () => ({ status: 'ok' }))).toThrow(/already/);
  });
});

describe('process metrics', () => {
  it('tell CPU, memory and event loop delay when they are scraped', async () => {
    const text = await createMetrics().metrics();
    expect(text).toMatch(/trunkline_process_cpu_seconds_total\{mode="user"\} [\d.]+/);
    expect(text).toMatch(/trunkline_process_memory_bytes\{kind="resident"\} \d{7,}/);
    expect(text).toMatch(/trunkline_process_event_loop_delay_seconds\{quantile="0.99"\} [\d.e-]+/);
  });
});
