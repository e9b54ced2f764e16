// Every degraded state has a name, a runbook of that name, and metrics that exist.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { runbookOfCheck, runbookOfExamination, runbooks } from '../../cli/degraded.js';
import { judgePartitions, type PartitionPosition } from '../../cli/doctor-partitions.js';
import { faultKinds } from '../chaos/schedule.js';

const directory = 'docs/runbooks';
const index = readFileSync(join(directory, 'README.md'), 'utf8');

test.each([...runbooks])('%s has a page, and the index names it', (name) => {
  expect(index).toContain(`](${name}.md)`);
  expect(existsSync(join(directory, `${name}.md`))).toBe(true);
});

test.each([...faultKinds])('what chaos breaks has a runbook: %s', (kind) => {
  expect(index).toContain(`\`${kind}\``);
});

test('every alert names a page that is there', () => {
  const alerts = readFileSync('ops/alerts.yml', 'utf8');
  const found = [...alerts.matchAll(/runbook: docs\/runbooks\/(.+)\.md/g)].map(([, name]) => name);
  expect(found).toHaveLength(alerts.match(/- alert:/g)?.length ?? 0);
  for (const name of found) expect(runbooks).toContain(name);
});

test('every metric that a runbook or an alert names is one of ours', () => {
  const stations = [
    'ingest',
    'log',
    'processors',
    'projections',
    'gateway',
    'runtime',
    'scheduler',
  ];
  const sources = stations.flatMap((station) =>
    readdirSync(station, { encoding: 'utf8', recursive: true })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => readFileSync(join(station, file), 'utf8')),
  );
  const all = sources.join('\n');
  const pages = readdirSync(directory).map((file) => join(directory, file));
  const named = [...pages, 'ops/alerts.yml'].flatMap((file) => {
    const text = readFileSync(file, 'utf8');
    return [...text.matchAll(/[`(]trunkline_([a-z_]+?)(?:_total)?(?:\{[^}]*\})?[`)[]/g)];
  });
  expect(named.length).toBeGreaterThan(15);
  for (const [whole, name = ''] of named) {
    // Whole, or by what follows the station's prefix.
    const parts = name.split('_');
    const ends = parts.map((_, from) => parts.slice(from).join('_')).slice(1);
    const isThere =
      all.includes(`trunkline_${name}`) || ends.some((end) => all.includes(`'${end}`));
    expect(isThere, whole).toBe(true);
  }
});

describe('a row or a check that is not well names its runbook', () => {
  test.each([
    ['PostgreSQL', 'postgres-away'],
    ['Kafka', 'kafka-away'],
    ['Redis', 'redis-lost'],
    ['clock', 'clock-wrong'],
    ['spool', 'disk-full'],
    ['port', null],
  ])('row %s: %s', (what, runbook) => {
    expect(runbookOfExamination(what)).toBe(runbook);
  });

  test.each([
    ['log', 'kafka-away'],
    ['registry', 'postgres-away'],
    ['processors', 'partition-stopped'],
    ['projections', 'partition-stopped'],
    ['hot_tier', 'redis-lost'],
    ['stream', 'lag-grows'],
    ['roles', null],
  ])('check %s: %s', (name, runbook) => {
    expect(runbookOfCheck(name)).toBe(runbook);
  });
});

describe('partitions, looked at twice', () => {
  const at = (
    partition: number,
    [deliveries, decided, events, projected]: readonly [number, number, number, number],
  ): PartitionPosition => ({ partition, ends: { deliveries, events }, decided, projected });

  test('all decided and projected', () => {
    const look = [at(0, [5, 5, 9, 9]), at(1, [0, 0, 0, 0])];
    expect(judgePartitions(look, look)).toMatchObject({ state: 'ok' });
  });

  test('on its way is no fault, and is told', () => {
    const found = judgePartitions([at(0, [50, 10, 30, 20])], [at(0, [52, 40, 60, 55])]);
    expect(found).toMatchObject({ state: 'ok', detail: '17 records are on their way' });
  });

  test('deliveries that nobody decides, events that nobody projects', () => {
    const look = [at(2, [14, 3, 9, 9]), at(3, [8, 8, 20, 11])];
    expect(judgePartitions(look, look)).toMatchObject({
      state: 'warn',
      runbook: 'partition-stopped',
      detail:
        'partition 2: 11 deliveries wait, and none is decided; partition 3: 9 events wait, and none is projected',
    });
  });

  test('decided but not projected yet is the fault of projections alone', () => {
    // What is decided is read off the marks, which stand still with the projections.
    const found = judgePartitions([at(0, [50, 10, 30, 20])], [at(0, [52, 10, 44, 20])]);
    expect(found.detail).toBe('partition 0: 10 events wait, and none is projected');
  });

  test('a backlog that moves is lag', () => {
    const found = judgePartitions([at(0, [90_000, 10, 30, 20])], [at(0, [90_100, 900, 930, 920])]);
    expect(found).toMatchObject({ state: 'warn', runbook: 'lag-grows' });
  });
});
