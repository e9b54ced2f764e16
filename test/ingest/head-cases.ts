// The table of the raw-socket suite, part two: request lines and header lines, and what is no HTTP/1.1.

import { form, lengthOf, row, targeted, whole, written, type RawCase } from './raw-requests.js';
import { twilioEndpoint } from './station.js';

const path = `/v1/webhooks/${twilioEndpoint}`;

const by = (requestLine: string) => (): string => whole(targeted(form(), requestLine));

const withHeaders =
  (...lines: readonly string[]) =>
  (): string => {
    const parts = form();
    return written(parts, [...lines, lengthOf(parts)]);
  };

const otherMethods = [
  'post',
  'Post',
  'PUT',
  'HEAD',
  'TRACE',
  'OPTIONS',
  'DELETE',
  'PATCH',
  'CONNECT',
  'PRI',
  'BREW',
  '',
];

const versions = [
  'HTTP/1.0',
  'HTTP/0.9',
  'HTTP/1.2',
  'HTTP/2.0',
  'HTTP/11',
  'HTTPS/1.1',
  'http/1.1',
  '',
  'HTTP/1.1 ',
];

const unknownTargets = [
  `${path}/`,
  `/${path}`,
  `//hooks.example.test${path}`,
  `${path}#a`,
  `/v1/../v1/webhooks/${twilioEndpoint}`,
  `/V1/webhooks/${twilioEndpoint}`,
  `${path}%00`,
  `${path}%0d%0a`,
];

/** RFC 9112, section 3.2.2, has servers take the absolute form; the library does not, and only proxies send it. */
const otherForms = [
  `http://hooks.example.test${path}`,
  `https://hooks.example.test:443${path}`,
  `HTTP://hooks.example.test${path}`,
  'http://',
  'hooks.example.test:443',
  '*',
  path.replaceAll('/', '\\'),
  `${path}\0`,
];

export const requestLines: readonly RawCase[] = [
  ...otherMethods.map((method) =>
    row(`the method ${JSON.stringify(method)}`, '405', 0, by(`${method} ${path} HTTP/1.1`)),
  ),
  ...['P\0ST', 'PO ST'].map((method) =>
    row(`the method ${JSON.stringify(method)}`, '505 closed', 0, by(`${method} ${path} HTTP/1.1`)),
  ),
  ...versions.map((version) =>
    row(`the version ${JSON.stringify(version)}`, '505 closed', 0, by(`POST ${path} ${version}`)),
  ),
  ...unknownTargets.map((target) =>
    row(`the target ${target}`, '404', 0, by(`POST ${target} HTTP/1.1`)),
  ),
  ...otherForms.map((target) =>
    row(`the target ${JSON.stringify(target)}`, '505 closed', 0, by(`POST ${target} HTTP/1.1`)),
  ),
  // The signature is over the target as it stands.
  row(
    'an encoded letter in the target',
    '403',
    0,
    by(`POST ${path.replace('ep_', '%65p_')} HTTP/1.1`),
  ),
  row('an empty query', '204', 1, by(`POST ${path}? HTTP/1.1`)),
  row('a target of 8 kB', '403', 0, by(`POST ${path}?${'a'.repeat(8_000)} HTTP/1.1`)),
  row('a target of 20 kB', '431 closed', 0, by(`POST ${path}?${'a'.repeat(20_000)} HTTP/1.1`)),
  row('an empty line before it', 'waits', 0, () => `\r\n${whole(form())}`),
];

export const headerLines: readonly RawCase[] = [
  row('one of 12 kB', '204', 1, withHeaders(`X-A: ${'a'.repeat(12_000)}`)),
  row('one of 20 kB', '431 closed', 0, withHeaders(`X-A: ${'a'.repeat(20_000)}`)),
  row(
    'one of 20 kB without an end',
    '431 closed',
    0,
    () => `POST ${path} HTTP/1.1\r\nX-A: ${'a'.repeat(20_000)}`,
  ),
  row(
    'ninety of them',
    '204',
    1,
    withHeaders(...Array.from({ length: 90 }, (_, n) => `X-${n}: a`)),
  ),
  row(
    'two hundred of them',
    '431 closed',
    0,
    withHeaders(...Array.from({ length: 200 }, (_, n) => `X-${n}: a`)),
  ),
  row('no Host', '400 closed', 0, () => {
    const parts = form();
    return whole({ ...parts, headers: parts.headers.slice(1) });
  }),
  row('two Hosts', '400 closed', 0, withHeaders('Host: other.example.test')),
  row('a folded one', '400 closed', 0, withHeaders('X-A: b', ' c')),
  row('one without a colon', '400 closed', 0, withHeaders('X-A')),
  row('a NUL in a value', '400 closed', 0, withHeaders('X-A: b\0c')),
  row('a NUL in a name', '400 closed', 0, withHeaders('X-\0A: b')),
  row('bare LF between all of them', '505 closed', 0, () => whole(form()).replaceAll('\r\n', '\n')),
  row('an unknown expectation', '204', 1, withHeaders('Expect: 200-ok')),
  row(
    'an upgrade to HTTP/2',
    '204',
    1,
    withHeaders(
      'Connection: Upgrade, HTTP2-Settings',
      'Upgrade: h2c',
      'HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA',
    ),
  ),
  row('a head that ends early', 'waits', 0, () => whole(form()).slice(0, 60)),
];

export const noHttp: readonly RawCase[] = [
  row('nothing', 'waits', 0, () => []),
  row('the preface of HTTP/2', '505 closed', 0, () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  row(
    'a TLS ClientHello',
    '505 closed',
    0,
    () => Buffer.from('16030100a5010000a103035b90', 'hex').toString('latin1') + 'a'.repeat(160),
  ),
  row('every byte there is', '505 closed', 0, () =>
    Buffer.from(Array.from({ length: 256 }, (_, n) => n)).toString('latin1'),
  ),
  row('a thousand NULs', '505 closed', 0, () => '\0'.repeat(1_000)),
];
