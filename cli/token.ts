// `trunkline token`: short-lived tokens for people and trials, signed with the installation's own key.

import { Option, type Command } from 'commander';

import { accessRoles, type RoleName } from '../runtime/registry.js';
import type { TenantId } from '../schemas/ids.js';
import { durationOption, tenantOption, type CliContext } from './context.js';

interface IssueOptions {
  readonly tenant: TenantId;
  readonly role: RoleName;
  readonly subject: string;
  readonly ttl: number;
  readonly json?: true;
}

const hourMs = 3_600_000;

/** Adds `token issue`; `trunkline token --tenant …` means the same. */
export function registerTokenCommands(program: Command, context: CliContext): void {
  program
    .command('token')
    .description('tokens of people: issue')
    .command('issue', { isDefault: true })
    .alias('add')
    .description('print a signed token')
    .requiredOption('--tenant <tenant>', 'what it may see', tenantOption)
    .addOption(new Option('--role <role>', 'what it may do').choices(accessRoles).default('viewer'))
    .option('--subject <name>', 'who it is for; stands in audits', 'cli')
    .option('--ttl <duration>', 'how long it lives, at most 30d', durationOption, hourMs)
    .option('--json', 'one JSON document')
    .addHelpText(
      'after',
      '\nExample:\n  $ curl -H "Authorization: Bearer $(trunkline token --tenant acme --role viewer --ttl 1h)" http://127.0.0.1:8080/v1/calls',
    )
    .action(async (options: IssueOptions) => {
      const { tenant, role, subject, ttl } = options;
      const issuer = await context.openTokens();
      const token = await issuer.sign({ tenant, role, subject }, ttl);
      const expiresAt = new Date(Date.now() + ttl).toISOString();
      if (options.json === true) context.print(JSON.stringify({ token, expiresAt }));
      else {
        context.print(token);
        context.note(`for ${role} of ${tenant}, until ${expiresAt}`);
      }
    });
}
