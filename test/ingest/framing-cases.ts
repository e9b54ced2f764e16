// The table of the raw-socket suite, part one: where a message begins and ends. What is sent to the webhook
// route, always with a real signature, and what comes of it.

import {
  chunked,
  form,
  json,
  lengthOf,
  query,
  row,
  targeted,
  whole,
  written,
  type RawCase,
} from './raw-requests.js';

const chunkedCoding = 'Transfer-Encoding: chunked';

/** A second, honestly signed request that hides in what the framing of the first one leaves over. */
const hidden = (): string => whole(form());

/** A signed form with these header lines, and the hidden request behind it. */
const withHidden =
  (extra: readonly string[] | ((length: number) => readonly string[])) => (): string => {
    const parts = form();
    const lines = typeof extra === 'function' ? extra(parts.body.length) : extra;
    return written(parts, lines) + hidden();
  };

/** A signed form whose body is written as chunks by `write`. */
const inChunks = (write: (body: string) => string) => (): string => {
  const parts = form();
  return written(parts, [chunkedCoding], write(parts.body));
};

/** Chunks that one reader may end elsewhere than another, and the hidden request behind them. */
const brokenChunks = (chunks: string) => inChunks(() => chunks + hidden());

export const honest: readonly RawCase[] = [
  row('a form', '204', 1, () => whole(form())),
  row('a GET with everything in the query', '204', 1, () => written(query(), [])),
  row(
    'a body in one chunk',
    '204 closed',
    1,
    inChunks((body) => chunked(body, 4096)),
  ),
  row(
    'a body in chunks of one byte',
    '204 closed',
    1,
    inChunks((body) => chunked(body, 1)),
  ),
  row('every byte in a segment of its own', '204', 1, () => whole(form()).match(/[^]/g) ?? []),
  row('an upper-case chunked', '204 closed', 1, () => {
    const parts = form();
    return written(parts, ['TRANSFER-ENCODING: CHUNKED'], chunked(parts.body, 9));
  }),
  row('Expect: 100-continue with the body at once', '100 204', 1, () => {
    const parts = form();
    return written(parts, ['Expect: 100-continue', lengthOf(parts)]);
  }),
  row('Expect: 100-continue, the body after the 100', '100 204', 1, () => {
    const parts = form();
    return [written(parts, ['Expect: 100-continue', lengthOf(parts)], ''), parts.body];
  }),
  row('Expect: 100-continue and no body', '100', 0, () => {
    const parts = form();
    return written(parts, ['Expect: 100-continue', lengthOf(parts)], '');
  }),
  row('Connection: close', '204 closed', 1, () => {
    const parts = form();
    return written(parts, ['Connection: close', lengthOf(parts)]);
  }),
  row('a request within a signed body', '204', 1, () => whole(json(JSON.stringify(hidden())))),
];

const lengths = [
  ['a negative length', (n: number) => `-${n}`],
  ['a length with a plus', (n: number) => `+${n}`],
  ['a length in hex', (n: number) => `0x${n.toString(16)}`],
  ['a length with a fraction', (n: number) => `${n}.0`],
  ['a list of lengths', (n: number) => `${n}, ${n}`],
  ['an empty length', () => ''],
  ['a length of 20 digits', () => '18446744073709551617'],
] as const;

const codings: readonly (readonly [string, string])[] = [
  ['xchunked', 'closed'],
  ['chunk', 'closed'],
  ['gzip, chunked', 'closed'],
  ['chunked, gzip', 'closed'],
  [', chunked', 'closed'],
  ['identity', 'closed'],
  ['chunked;q=1', 'closed'],
  ['"chunked"', 'closed'],
  ['', 'closed'],
  ['\tchunked', '400 closed'],
  ['chunked\v', '400 closed'],
];

export const ambiguous: readonly RawCase[] = [
  row(
    'two different lengths',
    'closed',
    0,
    withHidden((n) => [`Content-Length: ${n}`, `Content-Length: ${n + 9}`]),
  ),
  row(
    'two equal lengths',
    'closed',
    0,
    withHidden((n) => [`Content-Length: ${n}`, `Content-Length: ${n}`]),
  ),
  ...lengths.map(([name, text]) =>
    row(
      name,
      'closed',
      0,
      withHidden((n) => [`Content-Length: ${text(n)}`]),
    ),
  ),
  row(
    'a length and a coding',
    '400 closed',
    0,
    withHidden((n) => [`Content-Length: ${n}`, chunkedCoding]),
  ),
  row(
    'a coding and a length',
    '400 closed',
    0,
    withHidden((n) => [chunkedCoding, `Content-Length: ${n}`]),
  ),
  row('two codings', 'closed', 0, withHidden([chunkedCoding, chunkedCoding])),
  ...codings.map(([coding, outcome]) =>
    row(
      `the coding ${JSON.stringify(coding)}`,
      outcome,
      0,
      withHidden([`Transfer-Encoding: ${coding}`]),
    ),
  ),
  row('a coding in a folded line', '400 closed', 0, withHidden(['Transfer-Encoding:', ' chunked'])),
  row(
    'a length in a folded line',
    '400 closed',
    0,
    withHidden((n) => ['X-A: b', ` Content-Length: ${n}`]),
  ),
  row(
    'a space before the colon of a length',
    '400 closed',
    0,
    withHidden((n) => [`Content-Length : ${n}`]),
  ),
  row(
    'a tab before the colon of a coding',
    '400 closed',
    0,
    withHidden(['Transfer-Encoding\t: chunked']),
  ),
  row(
    'a bare LF before a length',
    '400 closed',
    0,
    withHidden((n) => [`X-A: b\nContent-Length: ${n}`]),
  ),
  // The library waits for the LF, until the deadline of heads.
  row(
    'a bare CR before a length',
    'waits',
    0,
    withHidden((n) => [`X-A: b\rContent-Length: ${n}`]),
  ),
  row(
    'a length behind a header without a name',
    'closed',
    0,
    withHidden((n) => [': a', `Content-Length: ${n}`]),
  ),
  row('no length', 'closed', 0, withHidden([])),
];

export const bodies: readonly RawCase[] = [
  row('a request as the body', '403', 0, () => whole({ ...form(), body: hidden() })),
  row('a request as the body of a GET', '403', 0, () => {
    const parts = { ...query(), body: hidden() };
    return whole(parts);
  }),
  row('a length that takes the next request in', '403', 0, () => {
    const [parts, next] = [form(), hidden()];
    return written(parts, [`Content-Length: ${parts.body.length + next.length}`]) + next;
  }),
  row('a NUL in the body', '403', 0, () => whole({ ...form(), body: 'A=\0' })),
  row('a body that ends early', 'waits', 0, () => {
    const parts = form();
    return written(parts, [`Content-Length: ${parts.body.length + 1}`]);
  }),
  row(
    'chunks that end early',
    'waits',
    0,
    inChunks(() => '5\r\nhel'),
  ),
  ...['g', '-1', '+5', '0x5', ';', '5,5', 'fffffffffffffffff'].map((size) =>
    row(
      `a chunk size of ${JSON.stringify(size)}`,
      '400 closed',
      0,
      brokenChunks(`${size}\r\nhello\r\n0\r\n\r\n`),
    ),
  ),
  // Read leniently by the library; what stands behind them is not taken for a request.
  ...['5 ', '5\0', '00000000000000000005'].map((size) =>
    row(
      `a chunk size of ${JSON.stringify(size)}`,
      'closed',
      0,
      brokenChunks(`${size}\r\nhello\r\n0\r\n\r\n`),
    ),
  ),
  ...[' 5', ''].map((size) =>
    row(
      `a chunk size of ${JSON.stringify(size)}`,
      '403 closed',
      0,
      brokenChunks(`${size}\r\nhello\r\n0\r\n\r\n`),
    ),
  ),
  row('a chunk of 2 GiB', 'waits', 0, brokenChunks('80000000\r\nhello')),
  row('a chunk longer than its size', '505 closed', 0, brokenChunks('3\r\nhello\r\n0\r\n\r\n')),
  row('a chunk size ended by LF', 'closed', 0, brokenChunks('5\nhello\r\n0\r\n\r\n')),
  row('a chunk ended by LF', 'closed', 0, brokenChunks('5\r\nhello\n0\r\n\r\n')),
  // RFC 9112, section 7.1.1 and 7.1.2, has both; no provider sends them and the library knows neither.
  row(
    'chunks with extensions',
    '400 closed',
    0,
    inChunks((body) => chunked(body, 50, ';a="b;c"')),
  ),
  row(
    'a trailer',
    '505 closed',
    1,
    inChunks((body) => `${chunked(body, 50).slice(0, -2)}X-A: b\r\n\r\n`),
  ),
];

export const pipelined: readonly RawCase[] = [
  // The first is kept and not answered: its sender delivers it again, which is a duplicate.
  row('two at once', 'closed', 1, () => whole(form()) + whole(form())),
  row('the second after the first answer', '204 204', 2, () => [
    whole(form()),
    '<answered>',
    whole(form()),
  ]),
  row(
    'one behind a refused one',
    '403 204',
    1,
    () => whole({ ...form(), body: 'A=b' }) + whole(form()),
  ),
  row(
    'one behind an unknown endpoint',
    '404 204',
    1,
    () => whole(targeted(form(), 'POST /v1/webhooks/x HTTP/1.1')) + whole(form()),
  ),
  // An empty line before a request (RFC 9112, section 2.2) is waited on, until the deadline of heads.
  row('an empty line behind a body', '204', 1, () => [
    `${whole(form())}\r\n`,
    '<answered>',
    whole(form()),
  ]),
];
