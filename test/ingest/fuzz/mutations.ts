// Fuzzing: what happens to a delivery on the way. A request and chance come in, another request goes out; the
// same seed does the same to the same request, so that a case can be made smaller.

import type { Random } from '../../../cli/simulator/random.js';
import type { OutgoingDelivery } from '../../../ingest/providers/provider.js';

export type Mutation = (request: OutgoingDelivery, random: Random) => OutgoingDelivery;

const withBody = (request: OutgoingDelivery, body: Buffer): OutgoingDelivery => ({
  ...request,
  body,
});

const at = (random: Random, length: number): number =>
  length === 0 ? 0 : random.between(0, length - 1);

/** Bytes that mean something to a parser, or that are no UTF-8. */
const oddBytes = [
  ...['\0', '\r\n', '%', '&', '=', '+', '"', '{', '}', '[', ',', '\ufeff', '\u2028', '😀', ' '],
  ...[[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xf8, 0x88], [0x80], [0xc0, 0xaf]],
].map((odd) => (typeof odd === 'string' ? Buffer.from(odd) : Buffer.from(odd)));

const pickOdd = (random: Random): Buffer =>
  oddBytes[random.between(0, oddBytes.length - 1)] ?? Buffer.alloc(0);

function splice(body: Buffer, from: number, remove: number, insert: Buffer): Buffer {
  return Buffer.concat([body.subarray(0, from), insert, body.subarray(from + remove)]);
}

/** Parts between separators, in another order. */
function shuffled(text: string, separator: string, random: Random): string {
  const parts = text.split(separator);
  const [from, to] = [at(random, parts.length), at(random, parts.length)];
  const [moved = ''] = parts.splice(from, 1);
  parts.splice(to, 0, moved);
  return parts.join(separator);
}

const isJson = (body: Buffer): boolean => body[0] === 0x7b || body[0] === 0x5b;

function rewritten(body: Buffer, indent: number): Buffer {
  try {
    return Buffer.from(JSON.stringify(JSON.parse(body.toString('utf8')), null, indent));
  } catch {
    return body;
  }
}

const inBody: Readonly<Record<string, Mutation>> = {
  flipBit(request, random) {
    const body = Buffer.from(request.body);
    const place = at(random, body.length);
    if (body.length > 0) body[place] = (body[place] ?? 0) ^ (1 << random.between(0, 7));
    return withBody(request, body);
  },
  setByte(request, random) {
    const body = Buffer.from(request.body);
    if (body.length > 0) body[at(random, body.length)] = random.between(0, 255);
    return withBody(request, body);
  },
  truncate: (request, random) =>
    withBody(request, request.body.subarray(0, at(random, request.body.length))),
  insert: (request, random) =>
    withBody(
      request,
      splice(request.body, at(random, request.body.length + 1), 0, pickOdd(random)),
    ),
  remove: (request, random) =>
    withBody(
      request,
      splice(request.body, at(random, request.body.length), random.between(1, 9), Buffer.alloc(0)),
    ),
  repeat(request, random) {
    const from = at(random, request.body.length);
    const slice = request.body.subarray(from, from + random.between(1, 40));
    return withBody(request, splice(request.body, from, 0, slice));
  },
  end: (request, random) => withBody(request, Buffer.concat([request.body, pickOdd(random)])),
  begin: (request, random) => withBody(request, Buffer.concat([pickOdd(random), request.body])),
  swapFields(request, random) {
    const separator = isJson(request.body) ? ',' : '&';
    const text = shuffled(request.body.toString('latin1'), separator, random);
    return withBody(request, Buffer.from(text, 'latin1'));
  },
  writeAnew: (request, random) => withBody(request, rewritten(request.body, random.between(0, 4))),
  empty: (request) => withBody(request, Buffer.alloc(0)),
  growNumber(request, random) {
    const digits = '9'.repeat(random.between(1, 400));
    const text = request.body.toString('latin1').replace(/\d+/, digits);
    return withBody(request, Buffer.from(text, 'latin1'));
  },
  latin1: (request) => withBody(request, Buffer.from(request.body.toString('latin1'), 'utf8')),
};

/** Bodies of their own, now and then: deep, wide, long. */
const hugeBodies: Readonly<Record<string, Mutation>> = {
  deepJson(request, random) {
    const depth = random.between(100, 20_000);
    const text = random.chance(0.5)
      ? '['.repeat(depth) + ']'.repeat(depth)
      : `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
    return withBody(request, Buffer.from(text));
  },
  wideForm(request, random) {
    const fields = Array.from({ length: random.between(500, 6000) }, (_, n) => `f${n}=${n}`);
    return withBody(request, Buffer.from(fields.join('&')));
  },
  wideJson(request, random) {
    const entries = Array.from({ length: random.between(500, 6000) }, (_, n) => [`k${n}`, n]);
    return withBody(request, Buffer.from(JSON.stringify(Object.fromEntries(entries))));
  },
  percents(request, random) {
    return withBody(request, Buffer.from('%'.repeat(random.between(1000, 60_000))));
  },
};

const withHeader = (request: OutgoingDelivery, name: string, value: string): OutgoingDelivery => ({
  ...request,
  headers: { ...request.headers, [name]: value },
});

function someHeader(
  request: OutgoingDelivery,
  random: Random,
  change: (value: string, random: Random) => string,
): OutgoingDelivery {
  const names = Object.keys(request.headers);
  const name = names[at(random, names.length)];
  return name === undefined
    ? request
    : withHeader(request, name, change(request.headers[name] ?? '', random));
}

const contentTypes = [
  ...['application/json', 'application/x-www-form-urlencoded', 'text/plain', ''],
  ...['application/webhook+json', 'multipart/form-data; boundary=x', 'APPLICATION/JSON;charset=x'],
] as const;
const strangers = [
  ...['x-twilio-signature', 'stripe-signature', 'svix-signature', 'webhook-id', 'svix-timestamp'],
  ...['authorization', 'x-signature', 'telnyx-timestamp', 'content-type', 'x-plivo-signature-v3'],
] as const;

const inHeaders: Readonly<Record<string, Mutation>> = {
  dropHeader(request, random) {
    const names = Object.keys(request.headers);
    const gone = names[at(random, names.length)];
    const headers = Object.entries(request.headers).filter(([name]) => name !== gone);
    return { ...request, headers: Object.fromEntries(headers) };
  },
  /** As a receiver hands on a header that came twice. */
  repeatHeader: (request, random) => someHeader(request, random, (value) => `${value}, ${value}`),
  mixHeader: (request, random) =>
    someHeader(request, random, (value, chance) => {
      const place = at(chance, value.length + 1);
      return (
        value.slice(0, place) +
        String.fromCharCode(chance.between(32, 255)) +
        value.slice(place + 1)
      );
    }),
  cutHeader: (request, random) =>
    someHeader(request, random, (value, chance) => value.slice(0, at(chance, value.length))),
  growHeader: (request, random) =>
    someHeader(request, random, (value, chance) => value + 'A'.repeat(chance.between(1, 3000))),
  shiftHeader: (request, random) => someHeader(request, random, (value) => ` ${value.trim()}\t`),
  caseHeader: (request, random) =>
    someHeader(request, random, (value, chance) =>
      chance.chance(0.5) ? value.toUpperCase() : value.toLowerCase(),
    ),
  timeHeader: (request, random) =>
    someHeader(request, random, (value, chance) =>
      value.replace(/\d{10,13}/, (time) => String(Number(time) + chance.between(-400, 400))),
    ),
  base64Header: (request, random) =>
    someHeader(request, random, (value) => value.replaceAll('+', '-').replace(/=+$/, '')),
  listHeader: (request, random) =>
    someHeader(request, random, (value, chance) =>
      shuffled(value, chance.pick([',', ' ', '=', '.', '|']), chance),
    ),
  typeHeader: (request, random) => withHeader(request, 'content-type', random.pick(contentTypes)),
  strangeHeader: (request, random) =>
    withHeader(request, random.pick(strangers), random.pick(['', 'x', 'v1,x', '1790848800', '\0'])),
};

/** Of the URL only what stands behind the endpoint's own: the base is configured, not received. */
function withTail(request: OutgoingDelivery, change: (tail: string) => string): OutgoingDelivery {
  const query = request.url.indexOf('?');
  const end = query === -1 ? request.url.length : query;
  return { ...request, url: request.url.slice(0, end) + change(request.url.slice(end)) };
}

const inTarget: Readonly<Record<string, Mutation>> = {
  addQuery: (request, random) =>
    withTail(request, (tail) => `${tail}${tail === '' ? '?' : '&'}q=${random.hex(4)}`),
  cutQuery: (request, random) =>
    withTail(request, (tail) => tail.slice(0, at(random, tail.length))),
  mixQuery: (request, random) =>
    withTail(request, (tail) => {
      const place = at(random, tail.length);
      return (
        tail.slice(0, place) +
        random.pick(['%41', '+', '&', "'", '#', 'ä', '?']) +
        tail.slice(place + 1)
      );
    }),
  swapQuery: (request, random) => withTail(request, (tail) => shuffled(tail, '&', random)),
  path: (request, random) =>
    withTail(request, (tail) => random.pick(['/', '//', '%2f', ';x', '.']) + tail),
  method: (request) => ({ ...request, method: request.method === 'GET' ? 'POST' : 'GET' }),
};

/** What may happen after a delivery was signed, by name. */
export const onTheWay: Readonly<Record<string, Mutation>> = {
  ...inBody,
  ...inHeaders,
  ...inTarget,
};

/** The same, for content that is signed afterwards, by name. */
export const ofContent: Readonly<Record<string, Mutation>> = inBody;

/** Rare, because they are long. */
export const huge: Readonly<Record<string, Mutation>> = hugeBodies;
