// The command line of the read models, on a real Postgres (services/).

import { Command } from 'commander';
import { expect, test } from 'vitest';

import { registerProjectionCommands } from '../../cli/projections.js';
import { createMemoryLog } from '../../log/memory.js';
import { caughtUp, codec, freshStore, start } from '../projections/station.js';
import { traceEvolver, World } from '../projections/world.js';

test('list shows marks and lag, rebuild proves or repairs, and differing fails --compare-only', async () => {
  const { database } = await freshStore();
  const world = new World({ seed: 11, codec });
  world.happen(300);
  const running = start(world, database);
  await caughtUp(world, database);
  await running.stop();
  const printed: string[] = [];
  const progress: string[] = [];
  const run = async (...args: string[]): Promise<string> => {
    const program = new Command().exitOverride();
    registerProjectionCommands(program, {
      open: () =>
        Promise.resolve({
          ...{ log: createMemoryLog(world.store), codec, database, evolver: traceEvolver },
          close: () => Promise.resolve(),
        }),
      signal: new AbortController().signal,
      print: (line) => printed.push(line),
      progress: (line) => progress.push(line),
    });
    printed.length = 0;
    await program.parseAsync(['projections', ...args], { from: 'user' });
    return printed.join('\n');
  };

  const listed = JSON.parse(await run('list', '--json')) as unknown;
  expect(listed).toContainEqual(
    expect.objectContaining({ name: 'calls', version: 1, lagRecords: 0 }),
  );
  expect(await run('list')).toMatch(
    /^NAME +VERSION +ROWS +LAG +MARKS.*\n.*aggregate_state +1 +\d+ +0 +0:\d+ 1:\d+/,
  );
  expect(await run('rebuild', 'calls', '--compare-only')).toMatch(
    /calls: \d+ rows.*equal[^]*rebuilt equals live/,
  );
  expect(progress.at(-1)).toContain('comparing');
  await database.query('delete from calls where ctid in (select ctid from calls limit 2)');
  await expect(run('rebuild', 'calls', '--compare-only')).rejects.toThrow(/not what the log says/);
  expect(printed.join('\n')).toMatch(/DIFFERENT[^]*missing in live: tenant-\d \/ call-/);
  expect(await run('rebuild', 'calls')).toContain('live rows replaced');
  expect(JSON.parse(await run('rebuild', 'calls', '--json'))).toMatchObject({ equal: true });
  await expect(run('rebuild', 'nothing')).rejects.toThrow(/no projection nothing; there are/);
  await database.end();
});
