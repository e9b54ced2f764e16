// Command line: a stored delivery on disk, and the same delivery signed anew for another URL and time.

import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { OutgoingDelivery, StoredCredential } from '../../ingest/providers/provider.js';
import { providerOf } from '../../ingest/providers/registry.js';
import { TrunklineError } from '../../runtime/errors.js';
import { signOutgoing } from './sign.js';

const storedSchema = z.object({
  provider: z.string(),
  method: z.enum(['GET', 'POST']),
  url: z.string(),
  headers: z.record(z.string(), z.string()),
  rawBody: z.string().optional(),
  rawBodyBase64: z.string().optional(),
  /** Unix seconds at which it was signed; null where its provider signs no time. */
  _signedAt: z.number().nullish(),
});

/** A delivery as `test/fixtures` and exports hold it. */
export type StoredDelivery = z.output<typeof storedSchema>;

export async function readJsonFile(file: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new TrunklineError('parameter_invalid', `the file ${file} cannot be read`, { cause });
  }
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new TrunklineError('parameter_invalid', `the file ${file} is not JSON`, { cause });
  }
}

/** Reads a stored delivery, naming the fields at fault. */
export async function readStoredDelivery(file: string): Promise<StoredDelivery> {
  const parsed = storedSchema.safeParse(await readJsonFile(file));
  if (parsed.success) return parsed.data;
  const names = [...new Set(parsed.error.issues.map((issue) => issue.path.join('.')))].join(', ');
  throw new TrunklineError('parameter_invalid', `${file} is no stored delivery: ${names}`);
}

function storedBody({ rawBody, rawBodyBase64 }: StoredDelivery): Buffer {
  return rawBody === undefined
    ? Buffer.from(rawBodyBase64 ?? '', 'base64')
    : Buffer.from(rawBody, 'utf8');
}

const notForwarded = new Set(['host', 'content-length', 'connection', 'transfer-encoding']);

/** The stored headers in lower case, without those of the connection it came by. */
function keptHeaders(delivery: StoredDelivery): Readonly<Record<string, string>> {
  const lower = Object.entries(delivery.headers).map(
    ([name, value]) => [name.toLowerCase(), value] as const,
  );
  return Object.fromEntries(lower.filter(([name]) => !notForwarded.has(name)));
}

/** `url` with the stored query, which is content (GET) or the tenant's own; not where it has one. */
function withStoredQuery(url: string, delivery: StoredDelivery): string {
  const start = delivery.url.indexOf('?');
  return start === -1 || url.includes('?') ? url : url + delivery.url.slice(start);
}

/** Signs a stored delivery for `url` at `nowMs`, the way its provider does. */
export function signAnew(
  delivery: StoredDelivery,
  url: string,
  credentials: StoredCredential,
  nowMs: number,
): OutgoingDelivery {
  const provider = providerOf(delivery.provider);
  const request: OutgoingDelivery = {
    method: delivery.method,
    url: withStoredQuery(url, delivery),
    headers: keptHeaders(delivery),
    body: storedBody(delivery),
  };
  return signOutgoing(provider, request, credentials, nowMs);
}
