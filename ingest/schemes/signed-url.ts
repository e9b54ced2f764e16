// Ingest, verification: the forms of one public URL that Twilio may have signed. Candidates in the
// order of its own SDK (twilio@6.2.0 `validateRequest`), after what Twilio drops before it signs.

import { parse, stringify } from 'node:querystring';

interface UrlParts {
  readonly scheme: string;
  readonly userInfo: string;
  readonly host: string;
  /** With its colon; empty when there is none. */
  readonly port: string;
  /** Path and query, character by character. */
  readonly rest: string;
}

/** Splits without normalising: `new URL()` would rewrite characters that were signed as they are. */
function splitUrl(url: string): UrlParts | null {
  const match = /^([a-z][a-z0-9+.-]*:\/\/)([^/?#]*)/i.exec(url);
  if (match === null) return null;
  const [prefix, scheme = '', authority = ''] = match;
  const userInfoEnd = authority.lastIndexOf('@');
  const hostAndPort = authority.slice(userInfoEnd + 1);
  // A colon starts the port only after the closing bracket of an IPv6 literal.
  const portStart = hostAndPort.indexOf(':', hostAndPort.lastIndexOf(']') + 1);
  return {
    scheme,
    userInfo: authority.slice(0, userInfoEnd + 1),
    host: portStart === -1 ? hostAndPort : hostAndPort.slice(0, portStart),
    port: portStart === -1 ? '' : hostAndPort.slice(portStart),
    rest: url.slice(prefix.length),
  };
}

/** Without any port, then with the given or the standard one. */
function withoutAndWithPort(url: string): [string, string] {
  const parts = splitUrl(url);
  if (parts === null) return [url, url];
  const { scheme, userInfo, host, rest } = parts;
  const standard = scheme.toLowerCase() === 'https://' ? ':443' : ':80';
  const port = parts.port === '' ? standard : parts.port;
  return [scheme + userInfo + host + rest, scheme + userInfo + host + port + rest];
}

/** The query as Node's legacy `querystring` writes it (`'` becomes `%27`). */
function withLegacyQuery(url: string): string {
  const start = url.indexOf('?');
  if (start === -1 || start === url.length - 1) return url;
  return `${url.slice(0, start)}?${stringify(parse(url.slice(start + 1)))}`;
}

function normalised(url: string): string | null {
  return URL.canParse(url) ? new URL(url).toString() : null;
}

function withoutUserInfo(url: string): string {
  if (!url.includes('@')) return url;
  const parts = splitUrl(url);
  return parts === null ? url : parts.scheme + parts.host + parts.port + parts.rest;
}

function withoutFragment(url: string): string {
  const hash = url.indexOf('#');
  return hash === -1 ? url : url.slice(0, hash);
}

/** No user, no port, no fragment: nothing to take off. */
const isPlain = /^https?:\/\/[^/?#@:[\]]*(?:\/[^#@]*)?$/;

/** The form that nearly every delivery is signed in: without user, port and fragment. */
export function likeliestUrl(url: string): string {
  if (isPlain.test(url)) return url;
  return withoutAndWithPort(withoutUserInfo(withoutFragment(url)))[0];
}

/**
 * Every form of `url` that may have been signed, likeliest first. Twilio drops the fragment (connection
 * overrides), user and password before it signs, its SDK does not: each is tried without and with.
 */
export function* signedUrls(url: string): Generator<string> {
  const received = withoutFragment(url);
  const plain = withoutUserInfo(received);
  const seen = new Set<string>();
  const fresh = function* (candidates: readonly string[]): Generator<string> {
    for (const candidate of candidates) {
      if (seen.has(candidate)) continue;
      seen.add(candidate);
      yield candidate;
    }
  };
  const bases = new Set([plain, received, url]);
  for (const base of bases) yield* fresh(withoutAndWithPort(base));
  for (const base of bases) {
    const normal = normalised(base);
    if (normal === null) continue;
    const pair = withoutAndWithPort(normal);
    yield* fresh([...pair, ...pair.map(withLegacyQuery)]);
  }
}
