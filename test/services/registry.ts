// A real schema registry (Apicurio, in memory, Confluent API) for tests.

import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import {
  cacheDirectory,
  freePort,
  runToEnd,
  servicesDirectory,
  shared,
  spawnDetached,
  until,
} from './shared.js';

const version = '2.6.13.Final';
const directory = join(cacheDirectory, `apicurio-${version}`);

/** Base URL of the Confluent-compatible API of the shared registry. */
export async function sharedRegistry(): Promise<string> {
  const service = await shared('registry', async () => {
    await fetchRegistry();
    const port = await freePort();
    const runner = readdirSync(directory).find((name) => name.endsWith('-runner.jar'));
    if (runner === undefined) throw new Error(`no runner jar in ${directory}`);
    const pid = spawnDetached('java', ['-Xmx256m', '-XX:+UseSerialGC', '-jar', runner], {
      cwd: directory,
      env: { ...process.env, QUARKUS_HTTP_PORT: String(port), QUARKUS_HTTP_HOST: '127.0.0.1' },
      log: join(servicesDirectory, 'registry.log'),
    });
    const address = `http://127.0.0.1:${port}/apis/ccompat/v7`;
    await until('the registry', async () => (await fetch(`${address}/subjects`)).ok, 60_000);
    return { pid, address, what: `Apicurio Registry ${version} (Maven)` };
  });
  return service.address;
}

async function fetchRegistry(): Promise<void> {
  if (existsSync(directory)) return;
  const partial = `${directory}.partial-${process.pid}`;
  mkdirSync(partial, { recursive: true });
  const artifact = `io.apicurio:apicurio-registry-app:${version}:zip:all`;
  await runToEnd('mvn', [
    '-q',
    '-B',
    'dependency:copy',
    `-Dartifact=${artifact}`,
    `-DoutputDirectory=${partial}`,
  ]);
  const zip = readdirSync(partial).find((name) => name.endsWith('.zip'));
  if (zip === undefined) throw new Error(`${artifact} did not arrive`);
  await runToEnd('jar', ['xf', zip], { cwd: partial });
  rmSync(join(partial, zip));
  if (existsSync(directory)) rmSync(partial, { recursive: true });
  else renameSync(partial, directory);
}
