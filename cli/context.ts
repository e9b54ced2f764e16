// Command line: what the program gives the commands that keep tenants, endpoints, keys and tokens, and
// how they print: tables for people, JSON for programs, never a stored secret.

import { InvalidArgumentError } from 'commander';

import type { AccountStore } from '../runtime/account-store.js';
import type { RegistryStore } from '../runtime/registry-store.js';
import type { TokenIssuer } from '../runtime/tokens.js';
import { parseTenantId, type TenantId } from '../schemas/ids.js';

/** What the registry commands work with; closed by the command, also when it fails. */
export interface RegistryServices {
  readonly store: RegistryStore;
  readonly accounts: AccountStore;
  close(): Promise<void>;
}

export interface CliContext {
  /** Opens the registry; `purpose` names the command for whoever finds the data directory in use. */
  openRegistry(purpose: string): Promise<RegistryServices>;
  /** Signs tokens; needs no database. Throws `config_invalid` where an identity provider signs. */
  openTokens(): Promise<TokenIssuer>;
  /** Base URL that providers call, for endpoints without one of their own. */
  readonly publicUrl: string;
  /** Reads a named file, or standard input for `-`. */
  readText(file: string): Promise<string>;
  /** A line of the result (standard output). */
  print(line: string): void;
  /** A line about the result (standard error), e.g. what to do next. */
  note(line: string): void;
}

/** Runs `work` with the registry open. */
export const withRegistry = (
  context: CliContext,
  purpose: string,
  work: (store: RegistryStore) => Promise<void>,
): Promise<void> => withServices(context, purpose, ({ store }) => work(store));

/** Runs `work` with the services of the registry commands open; closed also when it fails. */
export async function withServices(
  context: CliContext,
  purpose: string,
  work: (services: RegistryServices) => Promise<void>,
): Promise<void> {
  const services = await context.openRegistry(purpose);
  try {
    await work(services);
  } finally {
    await services.close();
  }
}

/** Option parser: a tenant id. */
export function tenantOption(text: string): TenantId {
  const tenant = parseTenantId(text);
  if (tenant !== null) return tenant;
  throw new InvalidArgumentError('A tenant is 1 to 63 lower-case letters, digits, inner hyphens.');
}

const unitsMs = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Option parser: `90s`, `15m`, `24h` or `7d`, as milliseconds. */
export function durationOption(text: string): number {
  const [, amount, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  if (amount !== undefined && unit !== undefined) {
    return Number(amount) * unitsMs[unit as keyof typeof unitsMs];
  }
  throw new InvalidArgumentError('A duration is a number and s, m, h or d, e.g. 24h.');
}

/** Prints rows as one JSON document, or as a table whose columns fit their values. */
export function printRows<Row extends object>(
  context: Pick<CliContext, 'print' | 'note'>,
  rows: readonly Row[],
  options: {
    readonly json: boolean | undefined;
    readonly columns: Readonly<Record<string, (row: Row) => string>>;
    /** Said to people when there is nothing. */
    readonly empty: string;
  },
): void {
  if (options.json === true) {
    context.print(JSON.stringify(rows));
    return;
  }
  if (rows.length === 0) {
    context.note(options.empty);
    return;
  }
  const titles = Object.keys(options.columns);
  const cells = rows.map((row) => Object.values(options.columns).map((read) => read(row)));
  const widths = titles.map((title, index) =>
    Math.max(title.length, ...cells.map((line) => line[index]?.length ?? 0)),
  );
  for (const line of [titles, ...cells]) {
    context.print(
      line
        .map((cell, index) => cell.padEnd(widths[index] ?? 0))
        .join('  ')
        .trimEnd(),
    );
  }
}

/** A moment for people, UTC to the second; a dash where there is none. */
export const moment = (at: Date | null): string =>
  at === null ? '-' : `${at.toISOString().slice(0, 19).replace('T', ' ')}Z`;

/** `live`, `ends <when>`, `ended` or `revoked`. */
export function standing(row: {
  readonly revokedAt: Date | null;
  readonly expiresAt?: Date | null;
}): string {
  if (row.revokedAt !== null) return 'revoked';
  const ends = row.expiresAt ?? null;
  if (ends === null) return 'live';
  return ends.getTime() <= Date.now() ? 'ended' : `ends ${moment(ends)}`;
}
