// `trunkline endpoint test`: signs a delivery with the endpoint's own credential, sends it to the endpoint and
// says what each layer made of it. In: the endpoint. Out: a row for each layer, with cause and fix.

import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Command } from 'commander';

import { signedTest, unsignedTest } from '../ingest/endpoint-test.js';
import type { OutgoingDelivery } from '../ingest/providers/provider.js';
import { providerOf } from '../ingest/providers/registry.js';
import type { RefusalItem } from '../runtime/diagnosis-store.js';
import { TrunklineError } from '../runtime/errors.js';
import type { EndpointRow, RegistryStore } from '../runtime/registry-store.js';
import { webhookUrl } from '../runtime/registry.js';
import type { EndpointId } from '../schemas/ids.js';
import { causeWords, parseCause } from '../schemas/refusal-causes.js';
import { printRows, withRegistry, type CliContext } from './context.js';
import { probe, type ProbeResult } from './endpoint-probe.js';
import { deliveryUrl } from './simulator/send.js';

/** A layer's verdict: `open` where the way ended before it, or nobody can tell. */
export interface LayerRow {
  readonly layer: string;
  readonly verdict: 'ok' | 'refused' | 'open' | 'failed';
  readonly detail: string;
}

interface Options {
  readonly to?: string;
  readonly json?: true;
}

/** Adds `endpoint test`. */
export function registerTest(
  endpoint: Command,
  context: CliContext,
  endpointArgument: (text: string) => EndpointId,
): void {
  endpoint
    .command('test')
    .description('sign a delivery, send it to the endpoint itself and explain each layer’s verdict')
    .argument('<endpoint>', 'its id', endpointArgument)
    .option('--to <url>', 'where to send it; default: the public URL (a proxy is tried with it)')
    .option('--json', 'one JSON document')
    .addHelpText(
      'after',
      `
The delivery is marked as a test: it becomes a record “endpoint tested”, never a call or a message. It comes
from this machine: the source address is judged as such. Where only the provider has the signing key
(Telnyx) an unsigned delivery is sent, which the signature layer must refuse.
Exit codes: 0 every layer did what it must · 1 one did not
Examples:
  $ trunkline endpoint test ep_…
  $ trunkline endpoint test ep_… --to http://127.0.0.1:8080/v1/webhooks/ep_…`,
    )
    .action((id: EndpointId, options: Options) =>
      withRegistry(context, 'endpoint test', async (store) => {
        const row = await store.findEndpoint(id);
        const rows = await testEndpoint(store, row, {
          publicUrl: context.publicUrl,
          to: options.to,
        });
        printRows(context, rows, {
          json: options.json,
          columns: {
            LAYER: (one) => one.layer,
            VERDICT: (one) => one.verdict,
            '': (one) => one.detail,
          },
          empty: '',
        });
        const failed = rows.find(({ verdict }) => verdict === 'refused' || verdict === 'failed');
        if (failed !== undefined) {
          throw new TrunklineError('endpoint_test', `the way ends at: ${failed.layer}`);
        }
      }),
    );
}

interface Destination {
  readonly publicUrl: string;
  readonly to?: string | undefined;
}

/** Tests an endpoint; a row for each layer, in the order of a delivery's way. */
export async function testEndpoint(
  store: RegistryStore,
  row: EndpointRow,
  { publicUrl, to }: Destination,
): Promise<readonly LayerRow[]> {
  if (row.revokedAt !== null) throw new TrunklineError('not_found', 'the endpoint is revoked');
  const url = webhookUrl(row.publicBaseUrl ?? publicUrl, row.id);
  const provider = providerOf(row.provider);
  const credential = (await store.newestCredential(row.id)) ?? {};
  const id = randomBytes(16).toString('hex');
  const signed = signedTest(provider, credential, { url, id, nowMs: Date.now() });
  const delivery = withCorrelation(signed ?? unsignedTest(url, id));
  const sentTo = deliveryUrl(to ?? url, delivery.url);
  const result = await probe(delivery, sentTo);
  if (!result.ok) return unreached(result, sentTo);
  const isTaken = result.status >= 200 && result.status < 300;
  const refusal = isTaken ? null : await refusalOf(store, row.id, delivery);
  const before = reached(result, sentTo);
  return [...before, ...layerRows({ row, result, refusal, isSigned: signed !== null })];
}

const letters = 'abcdefghijklmnopqrstuvwxyz';

/** An id by which the refusal is found in the list; letters alone, so that nothing takes it for a number. */
function withCorrelation(delivery: OutgoingDelivery): OutgoingDelivery {
  const random = [...randomBytes(20)].map((byte) => letters[byte % letters.length]).join('');
  const headers = { ...delivery.headers, 'x-correlation-id': `endpoint-test-${random}` };
  return { ...delivery, headers };
}

const refusalWaitMs = 6_000;

/** Ingest writes refusals in batches, about a second later. */
async function refusalOf(
  store: RegistryStore,
  id: EndpointId,
  delivery: OutgoingDelivery,
): Promise<RefusalItem | null> {
  const correlationId = delivery.headers['x-correlation-id'];
  for (const until = Date.now() + refusalWaitMs; Date.now() < until; await pause(150)) {
    const rows = await store.refusalsOf(id, { limit: 100, before: null });
    const found = rows.find((row) => row.correlationId === correlationId);
    if (found !== undefined) return found;
  }
  return null;
}

const reachHints: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there: is Trunkline, or the proxy before it, running?',
  ENOTFOUND: 'the host has no address: check the public URL and its DNS record',
  EAI_AGAIN: 'the host’s address cannot be looked up now',
  ETIMEDOUT: 'no answer in time: a firewall, or the wrong address',
  timeout: 'no answer within 15 s',
};

function unreached(result: Extract<ProbeResult, { ok: false }>, to: URL): LayerRow[] {
  const { error, isTls } = result;
  if (isTls) {
    const detail = `${error}: providers refuse such a certificate`;
    return [
      { layer: 'reachable', verdict: 'ok', detail: to.host },
      { layer: 'TLS', verdict: 'failed', detail },
    ];
  }
  const detail = `${to.host}: ${reachHints[error] ?? error}`;
  return [{ layer: 'reachable', verdict: 'failed', detail }];
}

function reached(result: Extract<ProbeResult, { ok: true }>, to: URL): LayerRow[] {
  const { tls, tookMs } = result;
  const way = { layer: 'reachable', verdict: 'ok', detail: `${to.host}, ${tookMs} ms` } as const;
  if (tls === null) {
    return [way, { layer: 'TLS', verdict: 'open', detail: 'none: the URL is http' }];
  }
  const until = tls.validTo === null ? '' : `, certificate until ${tls.validTo}`;
  return [way, { layer: 'TLS', verdict: 'ok', detail: `${tls.protocol}${until}` }];
}

/** The layers in their order, as refusals name them, and what a pass means. */
const layers = [
  ['identify', 'endpoint', 'known here'],
  ['rate_limit', 'rate limit', 'within it'],
  ['admit', 'capacity', 'there is room'],
  ['receive', 'request', 'method and content type are taken'],
  ['source_address', 'source address', 'allowed (that of this machine)'],
  ['signature', 'signature', 'right, by the newest credential'],
  ['timestamp', 'timestamp', 'within the provider’s window, or none is signed'],
  ['record', 'record', 'sealed'],
  ['append', 'append', 'durable'],
] as const;
type LayerName = (typeof layers)[number][0];

interface Judged {
  readonly row: EndpointRow;
  readonly result: Extract<ProbeResult, { ok: true }>;
  readonly refusal: RefusalItem | null;
  readonly isSigned: boolean;
}

/** Which layer a status stands for where the list of refusals does not say. */
const byStatus: Readonly<Record<number, LayerName>> = {
  404: 'identify',
  429: 'rate_limit',
  405: 'receive',
  415: 'receive',
  413: 'record',
  503: 'append',
};

function layerRows(judged: Judged): LayerRow[] {
  const { result, refusal, isSigned } = judged;
  const isTaken = result.status >= 200 && result.status < 300;
  const ended = refusal?.layer ?? (isTaken ? null : (byStatus[result.status] ?? null));
  const stop = layers.findIndex(([name]) => name === ended);
  const isExpected = !isSigned && ended === 'signature';
  const rows = layers.map(([, layer, passed], index): LayerRow => {
    if (stop === index && isExpected) {
      const detail =
        'an unsigned delivery is refused, as it must be; only the provider can sign one';
      return { layer, verdict: 'ok', detail };
    }
    if (stop === index) return { layer, verdict: 'refused', detail: whyOf(judged) };
    const isPassed = isTaken || index < stop;
    return { layer, verdict: isPassed ? 'ok' : 'open', detail: isPassed ? passed : 'not reached' };
  });
  return [...rows, answerRow(judged, { isTaken, isExpected, isUnknown: stop === -1 })];
}

function whyOf({ row, result, refusal }: Judged): string {
  if (refusal === null) return `answered ${result.status}`;
  const { title } = providerOf(row.provider).guide;
  const { code, cause, other, looksLike, offsetMs } = refusal;
  const context = { endpoint: row.id, provider: title, other: looksLike ?? other, offsetMs };
  const { says, fix } = causeWords(parseCause(cause) ?? 'unknown', context);
  return `${code}; ${cause}: ${says}. ${fix}`;
}

function answerRow(
  { result, isSigned }: Judged,
  seen: { readonly isTaken: boolean; readonly isExpected: boolean; readonly isUnknown: boolean },
): LayerRow {
  const { status, contentType, retryAfter } = result;
  const type = contentType === null ? '' : ` ${contentType}`;
  const answered = `${status}${type}${retryAfter === null ? '' : `, Retry-After ${retryAfter}`}`;
  if (seen.isTaken && !isSigned) {
    const detail = `${answered}: an unsigned delivery was taken; what answers there is not Trunkline`;
    return { layer: 'answer', verdict: 'failed', detail };
  }
  if (seen.isTaken || seen.isExpected) return { layer: 'answer', verdict: 'ok', detail: answered };
  const unknown = seen.isUnknown
    ? `; which layer is not in the list of refusals: another installation, or something before this one (--to goes around it)`
    : '';
  return { layer: 'answer', verdict: 'failed', detail: answered + unknown };
}
