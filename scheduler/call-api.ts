// Scheduler: one question to a provider's API. Comes in: a URL and credentials. Goes out: what it answered, in words
// that the breaker and the reconciler understand. Never throws but on abort; no secret and no body in any text.

import type { z } from 'zod';

import { isAbort } from '../runtime/errors.js';

export type ApiAnswer =
  | { readonly kind: 'ok'; readonly json: unknown }
  /** 404: it does not know what was asked for. */
  | { readonly kind: 'unknown' }
  /** 401, 403: other credentials are needed. 400 and the like: the question is wrong. */
  | { readonly kind: 'refused'; readonly status: number }
  /** 429: not before `afterMs`. */
  | { readonly kind: 'busy'; readonly afterMs: number }
  /** 5xx, no answer, no JSON. */
  | { readonly kind: 'unreachable'; readonly why: string };

export interface ApiQuestion {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface ApiOptions {
  /** Of one attempt. Default 5 s. */
  readonly timeoutMs?: number;
  /** In all, where a server fails or does not answer. Default 3. */
  readonly attempts?: number;
  readonly random?: () => number;
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

const jitterMs = { first: 250, most: 2_000 } as const;
const busyMs = { fallback: 5_000, most: 600_000 } as const;
/** Pages of a thousand calls are smaller. */
const maxBytes = 8 * 1024 * 1024;

/** Asks, and again with full jitter where the server fails. A 429 is not tried again here. */
export async function askApi(
  question: ApiQuestion,
  options: ApiOptions,
  signal: AbortSignal,
): Promise<ApiAnswer> {
  const { attempts = 3, random = Math.random, sleep } = options;
  for (let attempt = 1; ; attempt += 1) {
    const answer = await askOnce(question, options.timeoutMs ?? 5_000, signal);
    if (answer.kind !== 'unreachable' || attempt >= attempts) return answer;
    await sleep(random() * Math.min(jitterMs.most, jitterMs.first * 2 ** attempt), signal);
    signal.throwIfAborted();
  }
}

async function askOnce(
  { url, headers }: ApiQuestion,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<ApiAnswer> {
  const limit = AbortSignal.timeout(timeoutMs);
  try {
    const answer = await fetch(url, {
      headers: { accept: 'application/json', 'user-agent': 'trunkline', ...headers },
      // Credentials go to the address that was configured and nowhere else.
      redirect: 'error',
      signal: AbortSignal.any([signal, limit]),
    });
    return await answerOf(answer);
  } catch (thrown) {
    signal.throwIfAborted();
    const isLate = limit.aborted || isAbort(thrown);
    return { kind: 'unreachable', why: isLate ? `no answer in ${timeoutMs} ms` : 'no connection' };
  }
}

async function answerOf(answer: Response): Promise<ApiAnswer> {
  const { status } = answer;
  if (status === 200) return readJson(answer);
  await answer.body?.cancel();
  if (status === 404) return { kind: 'unknown' };
  if (status === 429) return { kind: 'busy', afterMs: retryAfterOf(answer.headers) };
  if (status >= 500) return { kind: 'unreachable', why: `status ${status}` };
  return { kind: 'refused', status };
}

async function readJson(answer: Response): Promise<ApiAnswer> {
  let bytes = 0;
  const parts: Uint8Array[] = [];
  for await (const part of chunksOf(answer)) {
    bytes += part.length;
    if (bytes > maxBytes) return { kind: 'unreachable', why: `more than ${maxBytes} bytes` };
    parts.push(part);
  }
  try {
    return { kind: 'ok', json: JSON.parse(Buffer.concat(parts).toString('utf8')) as unknown };
  } catch {
    return { kind: 'unreachable', why: 'an answer that is no JSON' };
  }
}

async function* chunksOf({ body }: Response): AsyncGenerator<Uint8Array> {
  if (body === null) return;
  for await (const part of body as AsyncIterable<Uint8Array>) yield part;
}

/** In seconds or as a date (RFC 9110); bounded, so that a mistake there is none here for long. */
function retryAfterOf(headers: Headers): number {
  const text = headers.get('retry-after') ?? '';
  const date = Date.parse(headers.get('date') ?? '');
  const ms = /^\d+$/.test(text)
    ? Number(text) * 1000
    : Date.parse(text) - (Number.isNaN(date) ? Date.now() : date);
  if (Number.isNaN(ms)) return busyMs.fallback;
  return Math.min(busyMs.most, Math.max(0, ms));
}

/** What of a JSON answer is of the expected shape; null for anything else. */
export function shapeOf<T extends z.ZodType>(schema: T, json: unknown): z.output<T> | null {
  const parsed = schema.safeParse(json);
  return parsed.success ? parsed.data : null;
}
