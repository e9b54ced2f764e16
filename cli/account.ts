// `trunkline account`: accounts at providers whose API is asked after calls. In: credentials, which are sealed before
// they are stored and never printed. Out: what is there, and what asking with it gives.

import { InvalidArgumentError, Option, type Command } from 'commander';

import type { AccountRow, AccountStore } from '../runtime/account-store.js';
import { TrunklineError } from '../runtime/errors.js';
import { apiNames, apiOf } from '../scheduler/providers/registry.js';
import type { ProviderName } from '../schemas/facts.js';
import type { TenantId } from '../schemas/ids.js';
import {
  moment,
  printRows,
  standing,
  tenantOption,
  withServices,
  type CliContext,
} from './context.js';
import {
  givenCredentials,
  takesCredentials,
  type CredentialOptions,
  type Credentials,
} from './credential-options.js';

interface AddOptions extends CredentialOptions {
  readonly tenant: TenantId;
  readonly provider: ProviderName;
  readonly name?: string;
  readonly url?: string;
}

const help = apiNames
  .map((name) => {
    const fields = Object.entries(apiOf(name)?.credentialHelp ?? {});
    return [`  ${name}`, ...fields.map(([field, text]) => `    ${field.padEnd(12)} ${text}`)].join(
      '\n',
    );
  })
  .join('\n');

const examples = `
Credentials:
${help}

Examples:
  $ trunkline account add --tenant acme --provider twilio \\
      --credential accountSid=AC… --credential keySid=SK… --credential keySecret=…
  $ trunkline account add --tenant acme --provider telnyx --credentials - < telnyx.json`;

/** Adds `account add`, `list`, `change` and `revoke`. */
export function registerAccountCommands(program: Command, context: CliContext): void {
  const account = program
    .command('account')
    .description('accounts at providers, whose API is asked after silent calls');
  registerAdd(account, context);
  account
    .command('list')
    .description('accounts of one tenant or of all, without their credentials')
    .option('--tenant <tenant>', 'only this tenant', tenantOption)
    .option('--json', 'one JSON document')
    .action((options: { tenant?: TenantId; json?: true }) =>
      withAccounts(context, 'account list', async (store) => {
        print(context, await store.list(options.tenant ?? null), options.json);
      }),
    );
  takesCredentials(account.command('change'))
    .description('take new credentials in place of the old ones, at once')
    .argument('<account>', 'its id', accountArgument)
    .option('--json', 'one JSON document')
    .action((id: string, options: CredentialOptions) =>
      withAccounts(context, 'account change', async (store) => {
        const { provider } = await store.find(id);
        const row = await store.change(id, await readCredentials(context, provider, options));
        print(context, [row], options.json);
      }),
    );
  account
    .command('revoke')
    .description('ask with this account no more')
    .argument('<account>', 'its id', accountArgument)
    .option('--json', 'one JSON document')
    .action((id: string, options: { json?: true }) =>
      withAccounts(context, 'account revoke', async (store) => {
        print(context, [await store.revoke(id)], options.json);
      }),
    );
}

function registerAdd(account: Command, context: CliContext): void {
  takesCredentials(account.command('add'))
    .description('add an account; a tenant may have several with one provider')
    .requiredOption('--tenant <tenant>', 'whose calls are asked after with it', tenantOption)
    .addOption(new Option('--provider <name>', 'whose API').choices(apiNames).makeOptionMandatory())
    .option('--name <name>', 'for people; default: the provider')
    .option('--url <base>', 'where the API is; default: the provider’s own', apiUrl)
    .option('--json', 'one JSON document')
    .addHelpText('after', examples)
    .action(async (options: AddOptions) => {
      const { tenant, provider, name = provider, url = null, json } = options;
      const credentials = await readCredentials(context, provider, options);
      await withAccounts(context, 'account add', async (store) => {
        const row = await store.add({ tenant, provider, name, baseUrl: url, credentials });
        print(context, [row], json);
      });
    });
}

const withAccounts = (
  context: CliContext,
  purpose: string,
  work: (store: AccountStore) => Promise<void>,
): Promise<void> => withServices(context, purpose, ({ accounts }) => work(accounts));

function print(context: CliContext, rows: readonly AccountRow[], json: true | undefined): void {
  printRows(context, rows, {
    json,
    columns: {
      TENANT: (row) => row.tenant,
      ACCOUNT: (row) => row.id,
      PROVIDER: (row) => row.provider,
      NAME: (row) => row.name,
      STATE: (row) => standing(row),
      CREATED: (row) => moment(row.createdAt),
    },
    empty: 'no account yet; see: trunkline account add --help',
  });
}

async function readCredentials(
  context: CliContext,
  provider: ProviderName,
  options: CredentialOptions,
): Promise<Credentials> {
  const given = await givenCredentials(context, options);
  const api = apiOf(provider);
  const parsed = api?.credentialSchema.safeParse(given);
  if (parsed?.success === true) return parsed.data;
  const faults = parsed?.error.issues.map(({ path, message }) =>
    path.length === 0 ? message : `${path.join('.')}: ${message}`,
  );
  throw new TrunklineError(
    'parameter_invalid',
    `credentials of ${provider}: ${faults?.join('; ') ?? 'its API is not known'}. Give them as --credential name=value`,
  );
}

function accountArgument(text: string): string {
  if (/^acc_[0-9a-f]{24}$/.test(text)) return text;
  throw new InvalidArgumentError('An account id begins with acc_; see: trunkline account list');
}

/** Credentials go there: in the clear on this machine only. */
function apiUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  const isLocal = url !== null && /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname);
  if (url?.protocol !== 'https:' && !(url?.protocol === 'http:' && isLocal)) {
    throw new InvalidArgumentError(
      'The URL of an API begins with https:// (http:// on this machine).',
    );
  }
  if (/[?#]/.test(text)) throw new InvalidArgumentError('It has neither query nor fragment.');
  return text;
}
