// The configuration is validated as a whole, and its documentation is made from it.

import { randomBytes } from 'node:crypto';

import { expect, test } from 'vitest';

import { configTable, readConfig } from '../../runtime/config.js';

test('nothing set gives the embedded default', () => {
  const result = readConfig({});
  expect(result).toMatchObject({ ok: true });
  expect(result.ok && result.config.KAFKA_BROKERS).toEqual([]);
});

test('every fault is listed at once, by variable and without its value', () => {
  const result = readConfig({
    TRUNKLINE_PORT: '99999999',
    TRUNKLINE_DRAIN: 'soon',
    TRUNKLINE_MASTER_KEY: 'hunter2hunter2',
    TRUNKLINE_PROT: '1',
  });
  expect(result.ok).toBe(false);
  const faults = result.ok ? [] : result.faults;
  expect(faults.map((fault) => fault.variable).sort()).toEqual([
    'TRUNKLINE_DRAIN',
    'TRUNKLINE_MASTER_KEY',
    'TRUNKLINE_PORT',
    'TRUNKLINE_PROT',
  ]);
  expect(JSON.stringify(faults)).not.toContain('hunter2');
});

test('a weak master key is a fault of its own', () => {
  const result = readConfig({ TRUNKLINE_MASTER_KEY: 'hunter2' });
  expect(result.ok || result.faults[0]?.variable).toBe('TRUNKLINE_MASTER_KEY');
});

test('production refuses a missing master key and a pinned clock', () => {
  const result = readConfig({ TRUNKLINE_ENV: 'production', TRUNKLINE_TEST_NOW: '1' });
  expect(result.ok ? [] : result.faults.map((fault) => fault.variable)).toEqual([
    'TRUNKLINE_MASTER_KEY',
    'TRUNKLINE_TEST_NOW',
  ]);
});

test('production refuses a master key that is no random one', () => {
  const faultsOf = (key: Buffer) => {
    const env = { TRUNKLINE_ENV: 'production', TRUNKLINE_MASTER_KEY: key.toString('base64') };
    const result = readConfig(env);
    return result.ok ? [] : result.faults.map((fault) => fault.variable);
  };
  for (const weak of [Buffer.alloc(32), Buffer.from('0123456789abcdef'.repeat(2), 'hex')]) {
    expect(faultsOf(Buffer.concat([weak, weak]).subarray(0, 32))).toEqual(['TRUNKLINE_MASTER_KEY']);
  }
  for (let run = 0; run < 100; run++) expect(faultsOf(randomBytes(32))).toEqual([]);
});

test('a retention that an outage may outlast is refused outside tests', () => {
  const short = { TRUNKLINE_RAW_RETENTION: '23h' };
  const result = readConfig(short);
  expect(result.ok ? [] : result.faults.map((fault) => fault.variable)).toEqual([
    'TRUNKLINE_RAW_RETENTION',
  ]);
  expect(readConfig({ ...short, TRUNKLINE_ENV: 'test' }).ok).toBe(true);
  expect(readConfig({ TRUNKLINE_RAW_RETENTION: '1d' }).ok).toBe(true);
});

test('durations are read with their unit', () => {
  const result = readConfig({ TRUNKLINE_DRAIN: '250ms', TRUNKLINE_RAW_RETENTION: '2d' });
  expect(result.ok && result.config.TRUNKLINE_DRAIN).toBe(250);
  expect(result.ok && result.config.TRUNKLINE_RAW_RETENTION).toBe(172_800_000);
});

test('docs/configuration.md is the table of the schema', async () => {
  const page = `# Configuration\n\nMade from \`runtime/config.ts\`; every fault is listed at start (exit code 78). Durations in the\ndefaults are milliseconds; give them with a unit, e.g. \`5s\`.\n\n${configTable()}\n`;
  await expect(page).toMatchFileSnapshot('../../docs/configuration.md');
});

test('the topic prefix is a legal first part of a topic name', () => {
  const result = readConfig({ TRUNKLINE_TOPIC_PREFIX: 'a b/c' });
  expect(result.ok || result.faults[0]?.variable).toBe('TRUNKLINE_TOPIC_PREFIX');
});

test('a PROXY header is believed of named proxies alone', () => {
  const alone = readConfig({ TRUNKLINE_PROXY_PROTOCOL: 'v2' });
  expect(alone.ok ? [] : alone.faults.map((fault) => fault.variable)).toEqual([
    'TRUNKLINE_PROXY_PROTOCOL',
  ]);
  const named = { TRUNKLINE_PROXY_PROTOCOL: 'v2', TRUNKLINE_TRUSTED_PROXIES: '10.0.0.0/8' };
  expect(readConfig(named).ok).toBe(true);
});
