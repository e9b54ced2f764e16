// Ingest: what is kept of a refused request. Comes in: the request and where it was refused. Goes out: classes,
// sizes, times and a network: nothing by which a person or a secret could be known.

import ipaddr from 'ipaddr.js';

import type { KeptRefusal } from '../runtime/diagnosis-store.js';
import type { HttpRequest } from '../runtime/http.js';
import type { Endpoint } from '../runtime/registry.js';
import type { CauseCode } from '../schemas/refusal-causes.js';
import type { Refusal } from './acknowledge.js';
import type { Explanation } from './explain/explain.js';
import type { Layer } from './metrics.js';

/** The client's network: /24 of IPv4, /48 of IPv6; empty where the address is none. */
export function maskedNetwork(clientAddress: string): string {
  if (!ipaddr.isValid(clientAddress)) return '';
  const address = ipaddr.process(clientAddress);
  const bytes = address.toByteArray();
  const kept = address.kind() === 'ipv4' ? 3 : 6;
  const masked = ipaddr.fromByteArray(bytes.map((byte, index) => (index < kept ? byte : 0)));
  return `${masked.toString()}/${kept * 8}`;
}

const contentTypes = [
  'application/json',
  'application/x-www-form-urlencoded',
  'application/cloudevents+json',
  'application/webhook+json',
  'multipart/form-data',
  'text/plain',
  'text/html',
  'text/xml',
  'application/xml',
  'application/octet-stream',
];

/** The content type if it is a common one, else `other`; null where there is none. */
export function contentTypeClass(header: string | undefined): string | null {
  if (header === undefined || header === '') return null;
  const [type = ''] = header.toLowerCase().split(';', 1);
  return contentTypes.find((one) => one === type.trim()) ?? 'other';
}

const agents = [
  ...['TwilioProxy', 'telnyx-webhooks', 'Svix-Webhooks', 'Stripe', 'plivo', 'SignalWire'],
  ...[
    'ElevenLabs',
    'LiveKit',
    'Vapi',
    'Retell',
    'Bland',
    'CallRail',
    'Bandwidth',
    'Nexmo',
    'Vonage',
  ],
  ...[
    'curl',
    'Wget',
    'python-requests',
    'python-httpx',
    'aiohttp',
    'Go-http-client',
    'axios',
    'node',
  ],
  ...[
    'undici',
    'okhttp',
    'Java',
    'Apache-HttpClient',
    'Ruby',
    'Faraday',
    'GuzzleHttp',
    'PostmanRuntime',
  ],
  ...['Mozilla', 'Googlebot'],
];

/** The first word of the user agent if it is a known one, else `other`; null where there is none. */
export function agentClass(header: string | undefined): string | null {
  if (header === undefined || header === '') return null;
  const lower = header.slice(0, 200).toLowerCase();
  return agents.find((one) => lower.startsWith(one.toLowerCase())) ?? 'other';
}

const byCode: Readonly<Record<string, CauseCode>> = {
  media_type: 'media_type',
  method_not_allowed: 'method',
  body_too_large: 'body_too_large',
};
const byLayer: Partial<Record<Layer, CauseCode>> = {
  rate_limit: 'over_rate',
  admit: 'overloaded',
  source_address: 'address_not_allowed',
  append: 'not_kept',
  record: 'not_kept',
};

/** The cause of a refusal that no signature is about. */
export const plainCause = ({ layer, answer, code = answer }: Refusal): CauseCode =>
  byCode[code] ?? byLayer[layer] ?? 'unknown';

/** The row of a refusal, before it is known how many came before it. */
export function keptRefusal(
  {
    request,
    endpoint,
    at,
  }: { readonly request: HttpRequest; readonly endpoint: Endpoint; readonly at: number },
  { layer, answer, code = answer, signedAtMs }: Refusal,
  why: Explanation,
): Omit<KeptRefusal, 'unwritten'> {
  const { method, headers, body, correlationId } = request;
  const signed = signedAtMs === undefined ? null : signedAtMs - at;
  return {
    ...{ tenant: endpoint.tenant, endpoint: endpoint.id, at, layer, code },
    ...{ cause: why.cause, also: why.also, other: why.other, looksLike: why.looksLike },
    offsetMs: why.offsetMs ?? signed,
    method: /^[A-Z]{3,7}$/.test(method) ? method : 'other',
    contentType: contentTypeClass(headers.get('content-type')),
    agent: agentClass(headers.get('user-agent')),
    bodyBytes: body.length,
    network: maskedNetwork(request.clientAddress),
    correlationId,
  };
}
