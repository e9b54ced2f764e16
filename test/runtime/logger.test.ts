import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { createLogger, redactText } from '../../runtime/logger.js';

function capture(): {
  readonly logger: ReturnType<typeof createLogger>;
  readonly read: () => string;
} {
  const destination = new PassThrough();
  const logger = createLogger({ level: 'debug', destination });
  return { logger, read: () => String(destination.read() ?? '') };
}

describe('a log line', () => {
  it('has a time, a level, a code and a message', () => {
    const { logger, read } = capture();
    logger.child({ station: 'ingest' }).info({ code: 'started', port: 8080 }, 'up');
    const line = JSON.parse(read()) as Record<string, unknown>;
    expect(line).toMatchObject({
      level: 'info',
      station: 'ingest',
      code: 'started',
      port: 8080,
      msg: 'up',
    });
    expect(line['time']).toMatch(/^\d{4}-\d\d-\d\dT/);
  });

  it('never holds a field that is marked personal or secret, at any depth', () => {
    const { logger, read } = capture();
    const inner = { from: '+15550100142', authToken: 'abc', safe: 1 };
    logger.warn({ a: [{ b: inner }], headers: new Map([['authorization', 'Bearer x']]) }, 'm');
    const text = read();
    expect(text).not.toMatch(/0100142|abc|Bearer x/);
    expect(JSON.parse(text)).toMatchObject({
      a: [{ b: { from: '[redacted]', authToken: '[redacted]', safe: 1 } }],
      headers: { authorization: '[redacted]' },
    });
  });

  it('masks what hides in messages, error texts and causes', () => {
    const { logger, read } = capture();
    const cause = new Error('duplicate key (number)=(+15550100142)');
    const error = Object.assign(new Error('insert for alice@example.com failed', { cause }), {
      code: '23505',
      detail: 'row of +15550100143',
    });
    logger.error({ error }, 'caller (555) 010-0199 failed');
    const text = read();
    expect(text).not.toMatch(/0100142|0100143|0199|alice/);
    expect(JSON.parse(text)).toMatchObject({
      msg: 'caller [number] failed',
      error: { type: 'Error', code: '23505', message: 'insert for [email] failed' },
    });
  });

  it('survives circles and bytes', () => {
    const { logger, read } = capture();
    const circle: Record<string, unknown> = { bytes: Buffer.from('+15550100142') };
    circle['self'] = circle;
    logger.info(circle, 'm');
    expect(read()).toContain('[bytes]');
  });
});

describe('the last net', () => {
  it.each([
    'to +15550100142',
    'To=%2B15550100142&x=1',
    'call 555-010-0142 now',
    'call (555) 010-0142',
    'call 15552100142',
    'call 5552100142',
    'sip:alice@example.com;transport=tcp',
    'mail alice@example.com',
    'key tl_live_abc_def_ghi',
    'Authorization: Bearer abcdefghijkl',
    'postgresql://user:pass@127.0.0.1:5432/db',
    'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhIn0.c2ln',
  ])('catches %s', (text) => {
    expect(redactText(text)).not.toMatch(/0142|alice|abc|pass|eyJ/);
  });

  it.each([
    'offset 1763692800123 of partition 3',
    'at 2026-01-31T10:00:00.000Z',
    '127.0.0.1:54321',
    'id 5b2a1f60-5552-4100-9142-000000000000',
    'epoch 1763692800',
    'call_3f9a2b7c5552100142aa',
    'took 12.345 ms, 100-200 records',
  ])('leaves %s', (text) => {
    expect(redactText(text)).toBe(text);
  });
});
