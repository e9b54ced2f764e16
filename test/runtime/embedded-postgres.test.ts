import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chmodSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runningEmbeddedUrl, startEmbeddedPostgres } from '../../runtime/embedded-postgres.js';

let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'trunkline-pg-'));
  chmodSync(directory, 0o711);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

async function query(url: string, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<object>(text);
    return rows;
  } finally {
    await client.end();
  }
}

const pidOf = (): number =>
  Number(readFileSync(join(directory, 'postgres/cluster/postmaster.pid'), 'utf8').split('\n')[0]);

describe('the embedded PostgreSQL', () => {
  it('makes a cluster at the first start and keeps what was committed for the second', async () => {
    const first = await startEmbeddedPostgres(join(directory, 'postgres'));
    await query(first.url, 'create table kept (id int); insert into kept values (7)');
    expect(await runningEmbeddedUrl(join(directory, 'postgres'))).toBe(first.url);
    await first.stop();
    expect(await runningEmbeddedUrl(join(directory, 'postgres'))).toBeNull();

    const startedAt = performance.now();
    const second = await startEmbeddedPostgres(join(directory, 'postgres'));
    const startMs = performance.now() - startedAt;
    expect(await query(second.url, 'select id from kept')).toEqual([{ id: 7 }]);
    const stoppedAt = performance.now();
    await second.stop();
    await second.exited;
    const stopMs = performance.now() - stoppedAt;
    // Generous for a busy machine; by itself it is 0.15 s and 0.1 s.
    expect({ startMs: startMs < 6_000, stopMs: stopMs < 5_000 }).toEqual({
      startMs: true,
      stopMs: true,
    });
  });

  it('listens on loopback only, asks for a password and keeps it to the owner', async () => {
    const server = await startEmbeddedPostgres(join(directory, 'postgres'));
    try {
      const shown = await query(
        server.url,
        `select name, setting from pg_settings where name in
         ('listen_addresses', 'unix_socket_directories', 'fsync', 'synchronous_commit', 'full_page_writes') order by 1`,
      );
      expect(shown).toEqual([
        { name: 'fsync', setting: 'on' },
        { name: 'full_page_writes', setting: 'on' },
        { name: 'listen_addresses', setting: '127.0.0.1' },
        { name: 'synchronous_commit', setting: 'on' },
        { name: 'unix_socket_directories', setting: '' },
      ]);
      expect(statSync(join(directory, 'postgres/connection.json')).mode & 0o777).toBe(0o600);
      const wrong = server.url.replace(/:[^:@]+@/, ':wrong@');
      await expect(query(wrong, 'select 1')).rejects.toThrow(/password authentication failed/);
    } finally {
      await server.stop();
    }
  });

  it('takes over the server of a process that was killed', async () => {
    const code = await build({
      stdin: {
        contents: `import { startEmbeddedPostgres } from './runtime/embedded-postgres.ts';
          await startEmbeddedPostgres(${JSON.stringify(join(directory, 'postgres'))});
          process.stdout.write('up'); setInterval(() => {}, 1000);`,
        resolveDir: fileURLToPath(new URL('../..', import.meta.url)),
      },
      bundle: true,
      platform: 'node',
      format: 'esm',
      packages: 'external',
      write: false,
    });
    const root = fileURLToPath(new URL('../..', import.meta.url));
    const file = join(root, 'node_modules', '.cache', `victim-${process.pid}.mjs`);
    writeFileSync(file, code.outputFiles[0]?.contents ?? '');
    const victim = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(victim.stdout, 'data');
    const pid = pidOf();
    victim.kill('SIGKILL');
    await once(victim, 'exit');
    rmSync(file);

    const next = await startEmbeddedPostgres(join(directory, 'postgres'));
    expect({ adopted: next.adopted, pid: pidOf() }).toEqual({ adopted: true, pid });
    expect(await query(next.url, 'select id from kept')).toEqual([{ id: 7 }]);
    await next.stop();
  });

  it('starts over a postmaster.pid that names a stranger', async () => {
    writeFileSync(join(directory, 'postgres/cluster/postmaster.pid'), `${process.pid}\n`);
    const server = await startEmbeddedPostgres(join(directory, 'postgres'));
    expect(await query(server.url, 'select id from kept')).toEqual([{ id: 7 }]);
    await server.stop();
  });

  it('comes back with everything committed after the server itself was killed', async () => {
    const server = await startEmbeddedPostgres(join(directory, 'postgres'));
    await query(server.url, 'insert into kept values (8)');
    process.kill(pidOf(), 'SIGKILL');
    await server.exited;
    const next = await startEmbeddedPostgres(join(directory, 'postgres'));
    expect(await query(next.url, 'select id from kept order by id')).toEqual([
      { id: 7 },
      { id: 8 },
    ]);
    await next.stop();
  });
});
