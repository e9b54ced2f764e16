// `trunkline key`: API keys of machines. In: the registry. Out: a key is shown once, when it is made;
// only a hash is kept.

import { Option, type Command } from 'commander';

import type { NewApiKey } from '../runtime/api-keys.js';
import { accessRoles, type RoleName } from '../runtime/registry.js';
import { defaultGraceMs } from '../runtime/registry-store.js';
import type { TenantId } from '../schemas/ids.js';
import {
  durationOption,
  moment,
  printRows,
  standing,
  tenantOption,
  withRegistry,
  type CliContext,
} from './context.js';

interface AddOptions {
  readonly tenant: TenantId;
  readonly role: RoleName;
  readonly name?: string;
  readonly ttl?: number;
  readonly json?: true;
}

/** Adds `key add`, `list`, `rotate` and `revoke`. */
export function registerKeyCommands(program: Command, context: CliContext): void {
  const key = program.command('key').description('API keys: add, list, rotate, revoke');
  registerAdd(key, context);
  registerList(key, context);
  registerChanges(key, context);
}

function registerAdd(key: Command, context: CliContext): void {
  key
    .command('add')
    .description('make a key and print it once')
    .requiredOption('--tenant <tenant>', 'what it may see', tenantOption)
    .addOption(
      new Option('--role <role>', 'what it may do').choices(accessRoles).makeOptionMandatory(),
    )
    .option('--name <name>', 'for people; default: the role')
    .option('--ttl <duration>', 'when it ends by itself; default: never', durationOption)
    .option('--json', 'one JSON document')
    .addHelpText(
      'after',
      '\nExample:\n  $ trunkline key add --tenant acme --role viewer --name "wallboard" --ttl 90d',
    )
    .action((options: AddOptions) =>
      withRegistry(context, 'key add', async (store) => {
        const made = await store.addKey({
          tenant: options.tenant,
          role: options.role,
          name: options.name ?? options.role,
          expiresAt: options.ttl === undefined ? null : new Date(Date.now() + options.ttl),
        });
        printMade(context, made, options.json);
      }),
    );
}

function registerList(key: Command, context: CliContext): void {
  key
    .command('list')
    .description('keys of one tenant or of all, without their secrets')
    .option('--tenant <tenant>', 'only this tenant', tenantOption)
    .option('--json', 'one JSON document')
    .action((options: { tenant?: TenantId; json?: true }) =>
      withRegistry(context, 'key list', async (store) => {
        printRows(context, await store.listKeys(options.tenant ?? null), {
          json: options.json,
          columns: {
            TENANT: (row) => row.tenant,
            KEY: (row) => row.id,
            ROLE: (row) => row.role,
            NAME: (row) => row.name,
            STATE: (row) => standing(row),
            'REPLACED BY': (row) => row.replacedBy ?? '-',
            CREATED: (row) => moment(row.createdAt),
          },
          empty: 'no key yet; see: trunkline key add --help',
        });
      }),
    );
}

function registerChanges(key: Command, context: CliContext): void {
  key
    .command('rotate')
    .description('make a successor; the old key is accepted for the grace period')
    .argument('<key>', 'id of the key, as `key list` shows it')
    .option('--grace <duration>', 'at most 7d', durationOption, defaultGraceMs)
    .option('--json', 'one JSON document')
    .action((id: string, options: { grace: number; json?: true }) =>
      withRegistry(context, 'key rotate', async (store) => {
        printMade(context, await store.rotateKey(id, options.grace), options.json);
      }),
    );
  key
    .command('revoke')
    .description('end a key at once, without a grace period')
    .argument('<key>', 'id of the key, as `key list` shows it')
    .option('--json', 'one JSON document')
    .action((id: string, options: { json?: true }) =>
      withRegistry(context, 'key revoke', async (store) => {
        const row = await store.revokeKey(id);
        if (options.json === true) context.print(JSON.stringify(row));
        else context.print(`revoked key ${row.id} of tenant ${row.tenant}`);
      }),
    );
}

function printMade(context: CliContext, made: NewApiKey, json: true | undefined): void {
  if (json === true) {
    context.print(JSON.stringify({ id: made.id, key: made.key }));
    return;
  }
  context.print(made.key);
  context.note(`key id ${made.id}; this is the only time the key is shown`);
}
