// Ingest, verification scheme of senders that sign a time: an HMAC over a text made of timestamp and raw
// body. What differs between senders is a plan, as data; verifying and signing read the same one.

import { createHmac, timingSafeEqual, type KeyObject } from 'node:crypto';
import { refuse, type Refusal, type SignedRequest, type Verdict } from './scheme.js';

/** How a signature is written; `hex` is lower case. */
export type SignatureEncoding = 'hex' | 'hex-any-case' | 'base64';

/** Names are those of node:crypto. */
export type HmacAlgorithm = 'sha1' | 'sha256' | 'sha512';

/** Where the signatures are in the value of the signature header. Nothing is ever trimmed. */
export type SignatureForm =
  /** The value is `prefix` and one signature. */
  | { readonly type: 'single'; readonly prefix: string }
  /**
   * Elements between separators, e.g. `t=1,v1=…,v1=…`; those that begin with `label` hold signatures,
   * those of other labels are skipped. `tried`: one that matches is enough, or the first alone counts.
   */
  | {
      readonly type: 'elements';
      readonly separator: ',' | ' ';
      readonly label: string;
      readonly tried: 'any' | 'first';
    }
  /** Exactly a time and a signature with a comma between, `v=<digits>,d=<signature>`; labels in any case. */
  | { readonly type: 'pair'; readonly timeLabel: string; readonly label: string };

/** Where the signed time is. */
export type TimeSource =
  | { readonly type: 'header'; readonly name: string }
  /** The first or the last element of the signature header that begins with `label`, e.g. `t=`. */
  | { readonly type: 'element'; readonly label: string; readonly pick: 'first' | 'last' }
  /** In front of the signature, for the form `pair`. */
  | { readonly type: 'pair' };

export interface SignedTime {
  readonly from: TimeSource;
  /** `auto`: 1e11 and more are milliseconds (as seconds that is the year 5138). */
  readonly unit: 's' | 'ms' | 'auto';
  /** How old a signed time may be, in ms, inclusive. */
  readonly pastMs: number;
  /** How far ahead of our clock it may be, in ms, inclusive; null where the sender's SDK looks back only. */
  readonly futureMs: number | null;
  /** Whether our clock is cut to whole seconds first, as most SDKs do. */
  readonly isFloored: boolean;
}

/** How one sender signs. Header names in lower case. */
export interface HmacPlan {
  readonly algorithm: HmacAlgorithm;
  readonly encoding: SignatureEncoding;
  readonly header: string;
  readonly form: SignatureForm;
  /** Null where the sender signs no time. */
  readonly time: SignedTime | null;
  /** Header of the message id, where the text holds `{id}`. */
  readonly idHeader: string | null;
  /** What is signed, with `{body}`, `{timestamp}`, `{id}`, `{method}` and `{url}`. */
  readonly text: string;
}

/** The bytes of a key, or the text whose UTF-8 they are. */
export type HmacKey = string | Buffer | KeyObject;

/** What a signature is made of beside the request: ready for the headers of `sign`. */
export interface Signing {
  readonly key: HmacKey;
  readonly nowMs: number;
  /** For plans with a message id. */
  readonly id?: string;
}

export interface HmacTimestampBody {
  /** Judges signature, then time. The signed time is told wherever the signature was right. */
  verify(request: SignedRequest, key: HmacKey, nowMs: number): Verdict;
  /** The headers that make `request` a signed one. */
  sign(request: Omit<SignedRequest, 'headers'>, signing: Signing): Record<string, string>;
}

const placeholders = ['body', 'timestamp', 'id', 'method', 'url'] as const;
type Placeholder = (typeof placeholders)[number];
type TextPart =
  | { readonly literal: string } //
  | { readonly placeholder: Placeholder };

/**
 * Why a plan's text cannot be used, or null. It must hold the body; a time or id it holds must come
 * from somewhere, and a time that comes must be signed, or it would prove nothing.
 */
export function planFault({ text, time, idHeader }: Pick<HmacPlan, 'text' | 'time' | 'idHeader'>) {
  const unknown = /\{(?!(?:body|timestamp|id|method|url)\})/.exec(text);
  if (unknown !== null) return `may hold no other placeholder than {${placeholders.join('}, {')}}`;
  if (!text.includes('{body}')) return 'must hold {body}';
  if (text.includes('{timestamp}') !== (time !== null)) {
    return time === null ? 'holds a {timestamp} that is not sent' : 'must hold {timestamp}';
  }
  return text.includes('{id}') && idHeader === null
    ? 'holds an {id} whose header is missing'
    : null;
}

const isPlaceholder = (name: string): name is Placeholder =>
  (placeholders as readonly string[]).includes(name);

/** The parts of a text between its placeholders; empty literals are left out. */
function partsOf(text: string): readonly TextPart[] {
  return text
    .split(/\{([a-z]+)\}/)
    .map((part, at) =>
      at % 2 === 1 && isPlaceholder(part) ? { placeholder: part } : { literal: part },
    )
    .filter((part) => !('literal' in part) || part.literal !== '');
}

/** What is signed beside the body: texts as they stand in the request. */
interface SignedTexts {
  readonly timestamp: string;
  readonly id: string;
}

type Digest = (
  request: Pick<SignedRequest, 'method' | 'url' | 'body'>,
  key: HmacKey,
  texts: SignedTexts,
) => string;

function digestOf({ algorithm, encoding, text }: HmacPlan): Digest {
  const parts = partsOf(text);
  const output = encoding === 'base64' ? 'base64' : 'hex';
  return ({ method, url, body }, key, { timestamp, id }) => {
    const values = { body, timestamp, id, method, url };
    const hmac = createHmac(algorithm, key);
    for (const part of parts) {
      const value = 'literal' in part ? part.literal : values[part.placeholder];
      if (typeof value === 'string') hmac.update(value, 'utf8');
      else hmac.update(value);
    }
    return hmac.digest(output);
  };
}

const digestBytes: Readonly<Record<HmacAlgorithm, number>> = { sha1: 20, sha256: 32, sha512: 64 };

/** The one way each signature of a length is written; base64 is padded. */
function shapeOf({ algorithm, encoding }: HmacPlan): RegExp {
  const bytes = digestBytes[algorithm];
  if (encoding === 'hex') return new RegExp(`^[0-9a-f]{${String(bytes * 2)}}$`);
  if (encoding === 'hex-any-case') return new RegExp(`^[0-9a-fA-F]{${String(bytes * 2)}}$`);
  const padding = (3 - (bytes % 3)) % 3;
  const digits = Math.ceil(bytes / 3) * 4 - padding;
  return new RegExp(`^[A-Za-z0-9+/]{${String(digits)}}${'='.repeat(padding)}$`);
}

/** What a signature header holds; `timestamp` is null where it holds none. */
interface HeaderContent {
  readonly signatures: readonly string[];
  readonly timestamp: string | null;
}

/** No sender has more keys in use; a longer list is not worth the comparisons. */
const maxSignatures = 16;

function readElements(
  value: string,
  form: Extract<SignatureForm, { type: 'elements' }>,
  from: TimeSource | null,
): HeaderContent {
  const signatures: string[] = [];
  let timestamp: string | null = null;
  for (const element of value.split(form.separator)) {
    if (element.startsWith(form.label)) signatures.push(element.slice(form.label.length));
    if (from?.type !== 'element' || !element.startsWith(from.label)) continue;
    if (timestamp === null || from.pick === 'last') timestamp = element.slice(from.label.length);
  }
  return {
    signatures: signatures.slice(0, form.tried === 'first' ? 1 : maxSignatures),
    timestamp,
  };
}

function readPair(
  value: string,
  form: Extract<SignatureForm, { type: 'pair' }>,
): HeaderContent | null {
  const comma = value.indexOf(',');
  const time = value.slice(0, Math.max(comma, 0));
  const signature = value.slice(comma + 1);
  const isLabelled = (text: string, label: string): boolean =>
    text.slice(0, label.length).toLowerCase() === label;
  if (!isLabelled(time, form.timeLabel) || !isLabelled(signature, form.label)) return null;
  return {
    signatures: [signature.slice(form.label.length)],
    timestamp: time.slice(form.timeLabel.length),
  };
}

/** Reads the signature header; null when it has another form. */
function readHeader(value: string, { form, time }: HmacPlan): HeaderContent | Refusal {
  switch (form.type) {
    case 'single':
      // No encoding of a signature has a comma: it says that the header came more than once.
      if (value.includes(',')) return refuse('signature_repeated');
      if (!value.startsWith(form.prefix)) return refuse('signature_malformed');
      return { signatures: [value.slice(form.prefix.length)], timestamp: null };
    case 'elements':
      return readElements(value, form, time?.from ?? null);
    case 'pair':
      return readPair(value, form) ?? refuse('signature_malformed');
  }
}

const digits = /^[0-9]{1,15}$/;

/** A signed time in ms; null when it is none. */
function timeOf(text: string, unit: SignedTime['unit']): number | null {
  if (!digits.test(text)) return null;
  const value = Number(text);
  const isMs = unit === 'ms' || (unit === 'auto' && value >= 1e11);
  const ms = isMs ? value : value * 1000;
  return Number.isSafeInteger(ms) ? ms : null;
}

function withinWindow(signedAtMs: number, time: SignedTime, nowMs: number): Verdict {
  const clockMs = time.isFloored ? Math.floor(nowMs / 1000) * 1000 : nowMs;
  const ageMs = clockMs - signedAtMs;
  if (ageMs > time.pastMs) return { ...refuse('timestamp_stale'), signedAtMs };
  const isAhead = time.futureMs !== null && -ageMs > time.futureMs;
  return isAhead ? { ...refuse('timestamp_future'), signedAtMs } : { ok: true, signedAtMs };
}

/** What one request brings; every text as it was received. */
interface Received {
  readonly signatures: readonly Buffer[];
  readonly texts: SignedTexts;
  /** Null where the plan signs no time. */
  readonly signedAtMs: number | null;
}

function readId(request: SignedRequest, { idHeader }: HmacPlan): string | Refusal {
  if (idHeader === null) return '';
  const id = request.headers.get(idHeader);
  return id === undefined || id === '' ? refuse('message_id_missing') : id;
}

function readTime(
  request: SignedRequest,
  time: SignedTime,
  inHeader: string | null,
): { readonly text: string; readonly ms: number } | Refusal {
  const { from, unit } = time;
  const text = from.type === 'header' ? request.headers.get(from.name) : inHeader;
  if (text === undefined || text === null || text === '') return refuse('timestamp_missing');
  const ms = timeOf(text, unit);
  return ms === null ? refuse('timestamp_malformed') : { text, ms };
}

/** Hex of any case is compared in lower case; everything else as it was sent. */
function candidates(signatures: readonly string[], plan: HmacPlan, shape: RegExp): Buffer[] {
  const isFolded = plan.encoding === 'hex-any-case';
  return signatures
    .filter((signature) => shape.test(signature))
    .map((signature) => Buffer.from(isFolded ? signature.toLowerCase() : signature, 'latin1'));
}

function receive(request: SignedRequest, plan: HmacPlan, shape: RegExp): Received | Refusal {
  const value = request.headers.get(plan.header);
  if (value === undefined || value === '') return refuse('signature_missing');
  const content = readHeader(value, plan);
  if ('code' in content) return content;
  const signatures = candidates(content.signatures, plan, shape);
  if (signatures.length === 0) return refuse('signature_malformed');
  const id = readId(request, plan);
  if (typeof id !== 'string') return id;
  if (plan.time === null) return { signatures, texts: { timestamp: '', id }, signedAtMs: null };
  const time = readTime(request, plan.time, content.timestamp);
  if ('code' in time) return time;
  return { signatures, texts: { timestamp: time.text, id }, signedAtMs: time.ms };
}

/** The signature header of a signed request, and the time's where it has one of its own. */
function headersOf(plan: HmacPlan, signature: string, timestamp: string): Record<string, string> {
  const { form, time, header } = plan;
  const ofTime = time?.from.type === 'header' ? { [time.from.name]: timestamp } : {};
  switch (form.type) {
    case 'single':
      return { ...ofTime, [header]: form.prefix + signature };
    case 'elements': {
      const own = form.label + signature;
      const isInside = time?.from.type === 'element';
      return {
        ...ofTime,
        [header]: isInside ? time.from.label + timestamp + form.separator + own : own,
      };
    }
    case 'pair':
      return { [header]: form.timeLabel + timestamp + ',' + form.label + signature };
  }
}

/** Whether any of the signatures is `expected`; takes the same time whichever it is. */
function anyEquals(signatures: readonly Buffer[], expected: Buffer): boolean {
  let isFound = false;
  for (const signature of signatures) isFound = timingSafeEqual(signature, expected) || isFound;
  return isFound;
}

/** A verifier and signer after `plan`. Throws RangeError for a plan whose text cannot be used. */
export function hmacTimestampBody(plan: HmacPlan): HmacTimestampBody {
  const fault = planFault(plan);
  if (fault !== null) throw new RangeError(`the signed text ${fault}`);
  const digest = digestOf(plan);
  const shape = shapeOf(plan);
  const bindsUrl = plan.text.includes('{url}');
  return {
    verify(request, key, nowMs) {
      // All that a GET says is in its query, which few plans sign.
      if (request.method === 'GET' && !bindsUrl) return refuse('body_not_signed');
      const received = receive(request, plan, shape);
      if ('code' in received) return received;
      const expected = Buffer.from(digest(request, key, received.texts), 'latin1');
      if (!anyEquals(received.signatures, expected)) return refuse('signature_mismatch');
      const { signedAtMs } = received;
      return plan.time === null || signedAtMs === null
        ? { ok: true }
        : withinWindow(signedAtMs, plan.time, nowMs);
    },
    sign(request, { key, nowMs, id = '' }) {
      const isMs = plan.time?.unit === 'ms';
      const timestamp = String(isMs ? Math.floor(nowMs) : Math.floor(nowMs / 1000));
      const ofId = plan.idHeader === null ? {} : { [plan.idHeader]: id };
      return { ...ofId, ...headersOf(plan, digest(request, key, { timestamp, id }), timestamp) };
    },
  };
}
