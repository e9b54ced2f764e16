// `trunkline endpoint`: where providers deliver. In: the registry and credentials, which are sealed
// before they are stored and never printed. Out: the webhook URL to paste at the provider.

import { InvalidArgumentError, Option, type Command } from 'commander';

import { providerNames, providerOf } from '../ingest/providers/registry.js';
import { parseCidr } from '../runtime/client-address.js';
import { TrunklineError } from '../runtime/errors.js';
import { defaultGraceMs, type EndpointRow } from '../runtime/registry-store.js';
import { webhookUrl } from '../runtime/registry.js';
import type { ProviderName } from '../schemas/facts.js';
import { parseEndpointId, type EndpointId, type TenantId } from '../schemas/ids.js';
import {
  givenCredentials,
  takesCredentials,
  type CredentialOptions,
  type Credentials,
} from './credential-options.js';
import {
  durationOption,
  moment,
  printRows,
  standing,
  tenantOption,
  withRegistry,
  type CliContext,
} from './context.js';

import { registerRefusals } from './endpoint-refusals.js';
import { registerTest } from './endpoint-test.js';
import { factLines, shownJson, shownLines } from './endpoint-show.js';

interface AddOptions extends CredentialOptions {
  readonly tenant: TenantId;
  readonly provider: ProviderName;
  readonly name?: string;
  readonly url?: string;
  readonly allow?: readonly string[];
  readonly rate?: number;
}

const examples = `
Examples:
  $ trunkline endpoint add --tenant acme --provider twilio --credential authToken=…
  $ trunkline endpoint add --tenant acme --provider telnyx --credential publicKeyBase64=…
  $ trunkline endpoint add --tenant acme --provider twilio --credentials - < secrets.json
  $ trunkline endpoint add --tenant acme --provider telnyx --credential publicKeyBase64=… --allow provider`;

/** Adds `endpoint add`, `list`, `show`, `refusals`, `test`, `rotate`, `set` and `revoke`. */
export function registerEndpointCommands(program: Command, context: CliContext): void {
  const endpoint = program
    .command('endpoint')
    .description('webhook endpoints: add, list, show, refusals, test, rotate, set, revoke');
  registerAdd(endpoint, context);
  registerReads(endpoint, context);
  registerRefusals(endpoint, context, endpointArgument);
  registerTest(endpoint, context, endpointArgument);
  registerChanges(endpoint, context);
}

function registerAdd(endpoint: Command, context: CliContext): void {
  takesCredentials(endpoint.command('add'))
    .description('add an endpoint and print the URL to paste at the provider')
    .requiredOption('--tenant <tenant>', 'whose deliveries arrive there', tenantOption)
    .addOption(
      new Option('--provider <name>', 'who delivers').choices(providerNames).makeOptionMandatory(),
    )
    .option('--name <name>', 'for people; default: the provider')
    .option(
      '--url <base>',
      'public base URL of this endpoint; default: TRUNKLINE_PUBLIC_URL',
      baseUrl,
    )
    .option(
      '--allow <cidr>',
      'source network that may deliver, or `provider` for those it publishes; repeatable',
      addNetwork,
    )
    .option('--rate <number>', 'deliveries per second', positiveInteger)
    .option('--json', 'one JSON document')
    .addHelpText('after', examples)
    .action(async (options: AddOptions) => {
      const credentials = await readCredentials(context, options.provider, options);
      await withRegistry(context, 'endpoint add', async (store) => {
        const row = await store.addEndpoint({
          tenant: options.tenant,
          provider: options.provider,
          name: options.name ?? options.provider,
          publicBaseUrl: options.url ?? null,
          credentials,
          allow: allowed(options),
          ratePerSecond: options.rate ?? null,
        });
        printOne(context, row, options.json);
      });
    });
}

function registerReads(endpoint: Command, context: CliContext): void {
  endpoint
    .command('list')
    .description('endpoints of one tenant or of all')
    .option('--tenant <tenant>', 'only this tenant', tenantOption)
    .option('--json', 'one JSON document')
    .action((options: { tenant?: TenantId; json?: true }) =>
      withRegistry(context, 'endpoint list', async (store) => {
        printRows(context, await store.listEndpoints(options.tenant ?? null), {
          json: options.json,
          columns: {
            TENANT: (row) => row.tenant,
            ENDPOINT: (row) => row.id,
            PROVIDER: (row) => row.provider,
            NAME: (row) => row.name,
            STATE: (row) => standing(row),
            CREATED: (row) => moment(row.createdAt),
          },
          empty: 'no endpoint yet; see: trunkline endpoint add --help',
        });
      }),
    );
  endpoint
    .command('show')
    .description('one endpoint: what to put where at the provider, and the use of its credentials')
    .argument('<endpoint>', 'its id', endpointArgument)
    .option('--json', 'one JSON document')
    .action((id: EndpointId, options: { json?: true }) =>
      withRegistry(context, 'endpoint show', async (store) => {
        const row = await store.findEndpoint(id);
        const used = await store.credentialsOf(id);
        const shown = { row, used, url: urlOf(context, row), nowMs: Date.now() };
        if (options.json === true) context.print(JSON.stringify(shownJson(shown)));
        else for (const line of shownLines(shown)) context.print(line);
      }),
    );
}

function registerChanges(endpoint: Command, context: CliContext): void {
  takesCredentials(endpoint.command('rotate'))
    .description('take new credentials; the old ones are accepted for the grace period')
    .argument('<endpoint>', 'its id', endpointArgument)
    .option('--grace <duration>', 'at most 7d', durationOption, defaultGraceMs)
    .option('--json', 'one JSON document')
    .addHelpText(
      'after',
      '\nExample:\n  $ trunkline endpoint rotate ep_… --credential authToken=… --grace 2h',
    )
    .action((id: EndpointId, options: CredentialOptions & { readonly grace: number }) =>
      withRegistry(context, 'endpoint rotate', async (store) => {
        const { provider } = await store.findEndpoint(id);
        const credentials = await readCredentials(context, provider, options);
        printOne(context, await store.rotateEndpoint(id, credentials, options.grace), options.json);
      }),
    );
  registerSet(endpoint, context);
  endpoint
    .command('revoke')
    .description('take an endpoint out of use at once: it answers 404')
    .argument('<endpoint>', 'its id', endpointArgument)
    .option('--json', 'one JSON document')
    .action((id: EndpointId, options: { json?: true }) =>
      withRegistry(context, 'endpoint revoke', async (store) => {
        printOne(context, await store.revokeEndpoint(id), options.json);
      }),
    );
}

function printOne(context: CliContext, row: EndpointRow, json: true | undefined): void {
  if (json === true) {
    context.print(JSON.stringify({ ...row, webhookUrl: urlOf(context, row) }));
    return;
  }
  for (const line of factLines(row, urlOf(context, row))) context.print(line);
  if (row.revokedAt !== null) return;
  context.note(`paste the webhook URL at ${providerOf(row.provider).guide.title};`);
  context.note(`where it goes: trunkline endpoint show ${row.id}`);
}

const urlOf = (context: CliContext, row: EndpointRow): string =>
  webhookUrl(row.publicBaseUrl ?? context.publicUrl, row.id);

interface SetOptions {
  readonly url?: string;
  readonly allow?: readonly string[];
  readonly rate?: number | typeof byDefault;
  readonly name?: string;
  readonly json?: true;
}

function registerSet(endpoint: Command, context: CliContext): void {
  endpoint
    .command('set')
    .description('change an endpoint; its id, and so the URL at the provider, stays')
    .argument('<endpoint>', 'its id', endpointArgument)
    .option('--url <base>', 'public base URL; `default`: TRUNKLINE_PUBLIC_URL', orDefault(baseUrl))
    .option(
      '--allow <cidr>',
      'the networks that may deliver, in place of the list; repeatable; `provider`; `any`',
      addNetworkOrAny,
    )
    .option('--rate <number>', 'deliveries per second; `default`', orDefault(positiveInteger))
    .option('--name <name>', 'for people')
    .option('--json', 'one JSON document')
    .addHelpText(
      'after',
      `
Examples:
  $ trunkline endpoint set ep_… --url https://hooks.example.com
  $ trunkline endpoint set ep_… --allow provider --allow 203.0.113.0/24
  $ trunkline endpoint set ep_… --rate default`,
    )
    .action((id: EndpointId, { json, url, allow, rate, name }: SetOptions) =>
      withRegistry(context, 'endpoint set', async (store) => {
        const { provider } = await store.findEndpoint(id);
        const change = {
          ...(name === undefined ? {} : { name }),
          ...(url === undefined ? {} : { publicBaseUrl: url === byDefault ? null : url }),
          ...(allow === undefined ? {} : { allow: allowed({ allow, provider }) }),
          ...(rate === undefined ? {} : { ratePerSecond: rate === byDefault ? null : rate }),
        };
        if (Object.keys(change).length === 0) {
          throw new TrunklineError('parameter_invalid', 'say what to change: --url, --allow, …');
        }
        printOne(context, await store.changeEndpoint(id, change), json);
      }),
    );
}

/** From `--credential` or `--credentials`; checked against what the provider's scheme needs. */
async function readCredentials(
  context: CliContext,
  provider: ProviderName,
  options: CredentialOptions,
): Promise<Credentials> {
  const given = await givenCredentials(context, options);
  const parsed = providerOf(provider).credentialSchema.safeParse(given);
  if (parsed.success) return given;
  const faults = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
  throw new TrunklineError(
    'parameter_invalid',
    `credentials of ${provider}: ${faults.join('; ')}. Give them as --credential name=value`,
  );
}

function endpointArgument(text: string): EndpointId {
  const id = parseEndpointId(text);
  if (id === null) throw new InvalidArgumentError('An endpoint id begins with ep_.');
  return id;
}

function baseUrl(text: string): string {
  if (!URL.canParse(text) || !/^https?:/.test(text)) {
    throw new InvalidArgumentError('A base URL begins with https:// or http://.');
  }
  if (/[?#]/.test(text))
    throw new InvalidArgumentError('A base URL has neither query nor fragment.');
  return text;
}

function addNetwork(text: string, before: readonly string[] = []): readonly string[] {
  if (text !== 'provider' && parseCidr(text) === null)
    throw new InvalidArgumentError('A network is an address, a CIDR or `provider`.');
  return [...before, text];
}

/** A list that names networks nobody knows would refuse every delivery. */
function allowed({
  allow = [],
  provider,
}: Pick<AddOptions, 'allow' | 'provider'>): readonly string[] {
  if (allow.includes('provider') && providerOf(provider).addressRanges.length === 0) {
    throw new TrunklineError(
      'parameter_invalid',
      `${provider} publishes no networks; give those you know with --allow <cidr>, or leave --allow out`,
    );
  }
  return allow;
}

function positiveInteger(text: string): number {
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new InvalidArgumentError('A rate is a whole number ≥ 1.');
  return Number(text);
}

/** `any` begins an empty list, which allows everyone. */
const addNetworkOrAny = (text: string, before: readonly string[] = []): readonly string[] =>
  text === 'any' ? [] : addNetwork(text, before);

/** The installation's own, as it is given; commander takes a null for nothing at all. */
const byDefault = 'default';

const orDefault =
  <T>(parse: (text: string) => T) =>
  (text: string): T | typeof byDefault =>
    text === byDefault ? byDefault : parse(text);
