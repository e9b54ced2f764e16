// `npm test`: provisions real services on demand, runs every test, ends with a table of what ran
// against what and a line of counts. With CI set a skipped test counts as failed.

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const services = join(root, '.cache', 'services');
const report = join(root, '.cache', 'test-report.json');
const keepServices = process.env.TRUNKLINE_TEST_KEEP_SERVICES === '1';

mkdirSync(services, { recursive: true });
rmSync(report, { force: true });
const args = ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
const vitest = spawn(join(root, 'node_modules/.bin/vitest'), [...args, ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => vitest.kill(signal));
const status = await new Promise((resolve) => vitest.on('close', resolve));

const used = readServices();
const results = JSON.parse(readFileSync(report, 'utf8'));
const counts = printTable(results, used);
if (!keepServices) stopServices(used);

const skipsFail = Boolean(process.env.CI) && counts.skipped > 0;
if (skipsFail) console.log(`\n${counts.skipped} skipped: in CI a skip is a failure`);
const failed = counts.failed + (skipsFail ? counts.skipped : 0);
console.log(
  `\n${counts.passed} passed, ${failed} failed${counts.skipped > 0 && !skipsFail ? `, ${counts.skipped} skipped` : ''}`,
);
process.exit(status === 0 && failed === 0 && counts.passed > 0 ? 0 : 1);

function readServices() {
  return readdirSync(services)
    .filter((name) => name.endsWith('.json'))
    .map((name) => ({
      name: name.replace('.json', ''),
      file: join(services, name),
      ...JSON.parse(readFileSync(join(services, name), 'utf8')),
    }));
}

/** What a test file asks for, told by the doors that it and the test files it imports name. */
function askedFor(file) {
  const doors = {
    postgres: /postgresUrl|startProduct/,
    kafka: /kafkaBrokers|startKafka/,
    registry: /registryUrl/,
    redis: /redisUrl|startRedis/,
    chromium: /launchChromium/,
  };
  const text = [...withImports(file)].map((name) => readFileSync(name, 'utf8')).join('\n');
  return Object.keys(doors).filter((name) => doors[name].test(text));
}

/** The file and every file below test/ that it leads to; not the doors themselves, which name all. */
function withImports(file, found = new Set()) {
  if (found.has(file) || !existsSync(file)) return found;
  found.add(file);
  for (const [, path] of readFileSync(file, 'utf8').matchAll(/from '(\.[^']+)\.js'/g)) {
    const next = `${join(dirname(file), path)}.ts`;
    const isTest =
      next.startsWith(join(root, 'test')) && !next.startsWith(join(root, 'test/services'));
    if (isTest) withImports(next, found);
  }
  return found;
}

function printTable(results, used) {
  const rows = new Map();
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const file of results.testResults) {
    const asked = askedFor(file.name);
    const key = asked.length === 0 ? 'nothing (pure code, memory log)' : asked.join(' + ');
    const row = rows.get(key) ?? { files: 0, passed: 0, failed: 0, skipped: 0 };
    row.files += 1;
    if (file.status === 'failed' && file.assertionResults.length === 0) {
      row.failed += 1;
      counts.failed += 1;
      console.log(`failed to load: ${relative(root, file.name)}`);
    }
    for (const test of file.assertionResults) {
      const kind = test.status === 'passed' || test.status === 'failed' ? test.status : 'skipped';
      row[kind] += 1;
      counts[kind] += 1;
    }
    rows.set(key, row);
  }
  console.log('\nWhat ran against what');
  console.log('  files  passed  failed  skipped  against');
  for (const [key, row] of [...rows].sort()) {
    const cells = [row.files, row.passed, row.failed, row.skipped].map((n) =>
      String(n).padStart(6),
    );
    console.log(`${cells[0]} ${cells[1]}  ${cells[2]}  ${cells[3]}    ${key}`);
  }
  console.log('\nServices of this run');
  for (const service of used) console.log(`  ${service.name.padEnd(9)} ${service.what}`);
  if (used.length === 0) console.log('  none');
  return counts;
}

function stopServices(used) {
  for (const service of used) {
    if (service.pid > 0) {
      try {
        process.kill(service.pid, 'SIGTERM');
      } catch {
        // It had ended by itself.
      }
    }
    rmSync(service.file, { force: true });
  }
}
