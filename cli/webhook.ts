// Command line: `trunkline webhook check` judges stored deliveries with the code that guards the webhook
// route; `trunkline webhook send` signs a stored delivery anew and delivers it.

import type { Readable } from 'node:stream';
import type { Command } from 'commander';
import { z } from 'zod';
import {
  checkDelivery,
  checkLine,
  streamSearch,
  wholeSearch,
  type CheckVerdict,
} from '../ingest/check.js';
import { TrunklineError } from '../runtime/errors.js';
import { webhookUrl } from '../runtime/registry.js';
import { causeWords } from '../schemas/refusal-causes.js';
import { LineWriter, readLines } from './ndjson.js';
import type { FoundEndpoint } from './open-endpoint.js';
import { createSender, deliveryUrl } from './simulator/send.js';
import {
  readJsonFile,
  readStoredDelivery,
  signAnew,
  type StoredDelivery,
} from './simulator/stored-delivery.js';

/** What the webhook commands use of the process and of the installation. */
export interface WebhookContext {
  readonly stdin: Readable;
  readonly stdout: NodeJS.WritableStream;
  /** An endpoint of this installation; null when there is none of this id. */
  endpoint(id: string): Promise<FoundEndpoint | null>;
  setExitCode(code: number): void;
}

type Credentials = Readonly<Record<string, string>>;

/** Collects `--credential name=value`. */
export function addCredential(given: string, before: Credentials = {}): Credentials {
  const equals = given.indexOf('=');
  if (equals < 1) {
    throw new TrunklineError('parameter_invalid', 'a credential is given as name=value');
  }
  return { ...before, [given.slice(0, equals)]: given.slice(equals + 1) };
}

interface CredentialOptions {
  readonly credential?: Credentials;
  readonly secrets?: string;
}

const secretsSchema = z.record(z.string(), z.unknown());
const credentialSchema = z.record(z.string(), z.string());

/** From `--credential`, else from the provider's entry of `--secrets <file>`. */
async function credentialsOf(provider: string, options: CredentialOptions): Promise<Credentials> {
  if (options.credential !== undefined) return options.credential;
  if (options.secrets === undefined) return {};
  const secrets = secretsSchema.safeParse(await readJsonFile(options.secrets));
  const entry = credentialSchema.safeParse(secrets.success ? secrets.data[provider] : null);
  if (entry.success) return entry.data;
  const detail = `${options.secrets} holds no credential of ${provider}`;
  throw new TrunklineError('parameter_invalid', detail);
}

interface CheckOptions extends CredentialOptions {
  readonly endpoint?: string;
  readonly now?: string;
  readonly json?: boolean;
}

function nowOf(delivery: StoredDelivery, { now }: CheckOptions): number {
  if (now === undefined) return delivery._signedAt ?? Date.now() / 1000;
  if (/^\d+$/.test(now)) return Number(now);
  throw new TrunklineError('parameter_invalid', '--now is a number of unix seconds');
}

async function checkFile(
  file: string,
  options: CheckOptions,
  context: WebhookContext,
): Promise<CheckVerdict> {
  const delivery = await readStoredDelivery(file);
  const judged =
    options.endpoint === undefined
      ? { credentials: await credentialsOf(delivery.provider, options) }
      : judgedBy(await endpointOf(options.endpoint, context));
  const line = { id: file, ...delivery, ...judged, now: nowOf(delivery, options) };
  return checkDelivery(line, wholeSearch());
}

/** The endpoint's credentials, and what a delivery that they refuse is compared with. */
function judgedBy({ endpoint, others, retired }: FoundEndpoint) {
  const alike = others.filter(({ provider }) => provider === endpoint.provider);
  return {
    credentials: endpoint.credentials.map(({ value }) => value),
    retiredCredentials: retired,
    otherCredentials: alike.flatMap(({ credentials }) => credentials.map(({ value }) => value)),
    otherUrls: [endpoint, ...alike].map(({ publicBaseUrl, id }) => webhookUrl(publicBaseUrl, id)),
  };
}

async function endpointOf(id: string, context: WebhookContext): Promise<FoundEndpoint> {
  const found = await context.endpoint(id);
  if (found !== null) return found;
  throw new TrunklineError('endpoint_unknown', 'no endpoint of this id in this installation');
}

async function checkStream(context: WebhookContext): Promise<void> {
  const out = new LineWriter(context.stdout);
  const budget = streamSearch();
  for await (const line of readLines(context.stdin)) await out.write(checkLine(line ?? '', budget));
  await out.flush();
}

/** For people: the verdict, and for a refused delivery the likely cause and what to do. */
function wordsOf(verdict: CheckVerdict): string {
  if (verdict.accepted) return `accepted: ${verdict.detail}\n`;
  const { layer, detail, code, cause, also, because, fix } = verdict;
  const lines = [`refused by the ${layer ?? 'request'} layer: ${detail} (${code})`];
  if (cause !== undefined) lines.push(`likely cause: ${because ?? ''} (${cause})`);
  if (also !== undefined) lines.push(`and also: ${causeWords(also).says} (${also})`);
  if (fix !== undefined) lines.push(`what to do: ${fix}`);
  return `${lines.join('\n')}\n`;
}

async function check(
  file: string | undefined,
  options: CheckOptions,
  context: WebhookContext,
): Promise<void> {
  if (file === undefined || file === '-') {
    await checkStream(context);
    return;
  }
  const verdict = await checkFile(file, options, context);
  context.stdout.write(options.json === true ? `${JSON.stringify(verdict)}\n` : wordsOf(verdict));
  context.setExitCode(verdict.accepted ? 0 : 1);
}

interface SendOptions extends CredentialOptions {
  readonly to?: string;
  readonly signedUrl?: string;
  readonly endpoint?: string;
  readonly json?: boolean;
}

interface Destination {
  readonly to: string;
  readonly signedUrl: string;
  readonly credentials: Credentials;
}

async function destinationOf(
  delivery: StoredDelivery,
  options: SendOptions,
  context: WebhookContext,
): Promise<Destination> {
  const given = await credentialsOf(delivery.provider, options);
  if (options.endpoint === undefined) {
    if (options.to === undefined) {
      throw new TrunklineError('parameter_invalid', 'name the destination: --to or --endpoint');
    }
    return { to: options.to, signedUrl: options.signedUrl ?? options.to, credentials: given };
  }
  const { endpoint } = await endpointOf(options.endpoint, context);
  const signedUrl = options.signedUrl ?? webhookUrl(endpoint.publicBaseUrl, endpoint.id);
  const live = endpoint.credentials[0]?.value ?? {};
  return { to: options.to ?? signedUrl, signedUrl, credentials: { ...live, ...given } };
}

async function send(file: string, options: SendOptions, context: WebhookContext): Promise<void> {
  const delivery = await readStoredDelivery(file);
  const { to, signedUrl, credentials } = await destinationOf(delivery, options, context);
  const signed = signAnew(delivery, signedUrl, credentials, Date.now());
  const sender = createSender({ maxSockets: 1, timeoutMs: 15_000 });
  const outcome = await sender.send(signed, deliveryUrl(to, signed.url));
  sender.close();
  const isAccepted = outcome.status !== null && outcome.status >= 200 && outcome.status < 300;
  const words =
    outcome.status === null ? `no answer: ${outcome.error}` : `answered ${outcome.status}`;
  const line = options.json === true ? JSON.stringify({ file, ...outcome }) : words;
  context.stdout.write(`${line}\n`);
  context.setExitCode(isAccepted ? 0 : 1);
}

/** Adds `webhook check` and `webhook send`. */
export function registerWebhookCommands(program: Command, context: WebhookContext): void {
  const webhook = program.command('webhook').description('judge and send stored deliveries');
  webhook
    .command('check')
    .description('judge a stored delivery, or NDJSON on standard input, as the webhook route does')
    .argument('[file]', 'stored delivery; absent or -: NDJSON on standard input')
    .option('--credential <name=value>', 'a credential of the provider; repeatable', addCredential)
    .option('--secrets <file>', 'JSON with credentials by provider')
    .option(
      '--endpoint <id>',
      'endpoint of this installation: its credentials, those of before and of others',
    )
    .option('--now <seconds>', 'unix seconds to judge at; default: when it was signed')
    .option('--json', 'one JSON line')
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  $ trunkline webhook check refused.json --endpoint ep_1a2b3c\n' +
        '  $ trunkline webhook check refused.json --credential authToken=…\n' +
        'Exit codes: 0 accepted, or every line was judged · 1 refused\n' +
        'NDJSON: {"id","provider","method","url","headers","rawBody"|"rawBodyBase64","credentials","now"}\n' +
        'A refused delivery has its likely "cause", that "because" in words, and a "fix". To compare it with,\n' +
        'a line may hold "retiredCredentials" and "otherCredentials" (lists of credentials: the endpoint’s old\n' +
        'ones, other endpoints’ ones) and "otherUrls" (base URLs).',
    )
    .action((file: string | undefined, options: CheckOptions) => check(file, options, context));
  webhook
    .command('send')
    .description('sign a stored delivery with the present time and deliver it')
    .argument('<file>', 'stored delivery')
    .option('--to <url>', 'where to send it')
    .option('--signed-url <url>', 'public URL to sign, where it differs from --to')
    .option('--endpoint <id>', 'endpoint of this installation: its URL and credentials')
    .option(
      '--credential <name=value>',
      'what the provider signs with, e.g. authToken; repeatable',
      addCredential,
    )
    .option('--secrets <file>', 'JSON with credentials by provider')
    .option('--json', 'one JSON line')
    .addHelpText('after', '\nExit codes: 0 answered 2xx · 1 anything else')
    .action((file: string, options: SendOptions) => send(file, options, context));
}
