// `trunkline tenant`: customers of this installation. In: the registry. Out: a table or JSON.

import type { Command } from 'commander';

import type { TenantId } from '../schemas/ids.js';
import { moment, printRows, tenantOption, withRegistry, type CliContext } from './context.js';

/** Adds `tenant add` and `tenant list`. */
export function registerTenantCommands(program: Command, context: CliContext): void {
  const tenant = program.command('tenant').description('tenants: add, list');
  tenant
    .command('add')
    .description('add a tenant; does nothing when it is there already')
    .argument('<tenant>', 'lower-case letters, digits and inner hyphens', tenantOption)
    .option('--name <name>', 'for people; default: the id')
    .option('--json', 'one JSON document')
    .addHelpText('after', '\nExample:\n  $ trunkline tenant add acme --name "Acme Telephony"')
    .action((id: TenantId, options: { name?: string; json?: true }) =>
      withRegistry(context, 'tenant add', async (store) => {
        const added = await store.addTenant(id, options.name ?? id);
        if (options.json === true) context.print(JSON.stringify({ tenant: id, added }));
        else context.print(added ? `added tenant ${id}` : `tenant ${id} is there already`);
      }),
    );
  tenant
    .command('list')
    .description('all tenants')
    .option('--json', 'one JSON document')
    .action((options: { json?: true }) =>
      withRegistry(context, 'tenant list', async (store) => {
        printRows(context, await store.listTenants(), {
          json: options.json,
          columns: {
            TENANT: (row) => row.tenant,
            NAME: (row) => row.name,
            CREATED: (row) => moment(row.createdAt),
          },
          empty: 'no tenant yet; add one: trunkline tenant add acme',
        });
      }),
    );
}
