// Ingest, why a signature failed: the URLs that may have been signed instead of the one we took for public.
// Comes in: that URL, the request's headers and the bases that are known. Goes out: URLs, nearest first.

import { createHash } from 'node:crypto';
import { webhookUrl } from '../../runtime/registry.js';
import type { EndpointId } from '../../schemas/ids.js';
import type { CauseCode } from '../../schemas/refusal-causes.js';
import type { Change } from './change.js';

/** Where URLs come from. */
export interface UrlSources {
  /** The public URL that was verified, with its query. */
  readonly url: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
  /** Path and query as received; null where they are not known apart from the URL. */
  readonly target: string | null;
  /** TRUNKLINE_PUBLIC_URL; null where it is not known. */
  readonly installationUrl: string | null;
  /** Base URLs of the tenant's other endpoints. */
  readonly others: readonly { readonly id: EndpointId; readonly publicBaseUrl: string }[];
}

/** A URL to try, and everything in it that differs: the first cause is the telling one. */
export interface UrlChange {
  readonly value: string;
  readonly causes: readonly CauseCode[];
  readonly endpoint?: EndpointId;
}

interface Parts {
  readonly scheme: string;
  readonly host: string;
  /** With its colon; empty when there is none. */
  readonly port: string;
  readonly path: string;
  /** With its question mark; empty when there is none. */
  readonly query: string;
}

/** Splits without normalising: characters were signed as they are. Null for what is no URL. */
function split(url: string): Parts | null {
  const match =
    /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*?)(:\d{1,5})?([/][^?#]*)?(\?[^#]*)?(?:#.*)?$/i.exec(url);
  if (match === null) return null;
  const [, scheme = '', host = '', port = '', path = '', query = ''] = match;
  return { scheme, host, port, path, query };
}

const join = ({ scheme, host, port, path, query }: Parts): string =>
  `${scheme}://${host}${port}${path}${query}`;

/** One thing that differs. */
interface Step {
  readonly cause: CauseCode;
  readonly part: Partial<Parts>;
  readonly endpoint?: EndpointId;
}

const headerValues = (headers: ReadonlyMap<string, string>, name: string): string[] =>
  (headers.get(name) ?? '')
    .split(',')
    .map((text) => text.trim())
    .filter((text) => text !== '' && text.length <= 2048)
    .slice(0, 3);

const authority = /^[a-z0-9.[\]:_-]{1,255}$/i;

function hostSteps(parts: Parts, sources: UrlSources): Step[] {
  const steps: Step[] = [];
  const add = (cause: CauseCode, url: string, endpoint?: EndpointId): void => {
    const other = split(url);
    if (other === null || (other.host === parts.host && other.port === parts.port)) return;
    const part = { host: other.host, port: other.port };
    steps.push(endpoint === undefined ? { cause, part } : { cause, part, endpoint });
  };
  for (const { id, publicBaseUrl } of sources.others.slice(0, 8)) {
    add('url_host_endpoint', publicBaseUrl, id);
  }
  if (sources.installationUrl !== null) add('url_host_installation', sources.installationUrl);
  for (const name of ['x-forwarded-host', 'x-original-host', 'host']) {
    for (const text of headerValues(sources.headers, name)) {
      if (authority.test(text)) add('url_host_received', `${parts.scheme}://${text}`);
    }
  }
  const bare = parts.host.replace(/^www\./i, '');
  const host = bare === parts.host ? `www.${bare}` : bare;
  steps.push({ cause: 'url_host_www', part: { host } });
  return steps;
}

function portSteps(parts: Parts, sources: UrlSources): Step[] {
  const told = headerValues(sources.headers, 'x-forwarded-port').filter((text) =>
    /^\d{1,5}$/.test(text),
  );
  const hosts = [
    ...headerValues(sources.headers, 'x-forwarded-host'),
    ...headerValues(sources.headers, 'host'),
  ];
  const received = hosts.flatMap((host) => /:(\d{1,5})$/.exec(host)?.[1] ?? []);
  const ports = [
    '',
    ...[...told, ...received, '443', '80', '8443', '8080'].map((text) => `:${text}`),
  ];
  return ports
    .filter((port) => port !== parts.port)
    .map((port) => ({ cause: 'url_port', part: { port } }) as const);
}

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

/** Headers in which proxies leave the URL as it was before they rewrote it. */
const originalUrl = [
  'x-original-url',
  'x-original-uri',
  'x-rewrite-url',
  'x-forwarded-uri',
  'x-forwarded-path',
  'x-envoy-original-path',
  'x-request-uri',
];

function pathSteps(parts: Parts, sources: UrlSources): Step[] {
  const { path, query } = parts;
  const slashed = path.endsWith('/') ? path.replace(/\/+$/, '') : `${path}/`;
  const steps: Step[] = [{ cause: 'url_trailing_slash', part: { path: slashed } }];
  const whole = (cause: CauseCode, target: string): void => {
    const at = target.indexOf('?');
    const other = at === -1 ? target : target.slice(0, at);
    const othersQuery = at === -1 ? query : target.slice(at);
    if (!other.startsWith('/')) return;
    if (other !== path) steps.push({ cause, part: { path: other, query: othersQuery } });
    else if (othersQuery !== query) {
      steps.push({ cause: 'url_query_missing', part: { query: othersQuery } });
    }
  };
  for (const name of originalUrl) {
    for (const text of headerValues(sources.headers, name)) {
      const full = split(text);
      whole('url_path', full === null ? text : full.path + full.query);
    }
  }
  for (const prefix of headerValues(sources.headers, 'x-forwarded-prefix')) {
    const bare = `/${prefix.replace(/^\/+|\/+$/g, '')}`;
    whole('url_path', `${bare}${path}`);
    if (path.startsWith(`${bare}/`)) whole('url_path', path.slice(bare.length));
  }
  if (sources.target !== null) whole('url_path', sources.target);
  for (const { id, publicBaseUrl } of sources.others.slice(0, 8)) {
    const other = split(webhookUrl(publicBaseUrl, id));
    if (other === null) continue;
    steps.push({ cause: 'url_of_endpoint', part: { path: other.path }, endpoint: id });
  }
  const collapsed = path.replace(/\/{2,}/g, '/');
  steps.push({ cause: 'url_path', part: { path: collapsed } });
  steps.push({ cause: 'url_encoding', part: { path: decoded(path) } });
  steps.push({ cause: 'url_encoding', part: { path: encodeURI(decoded(path)) } });
  return steps;
}

/** What Twilio adds to the URL of a JSON body. */
const digestParameter = 'bodySHA256';

function querySteps({ query }: Parts, body: Buffer): Step[] {
  const step = (cause: CauseCode, next: string): Step => ({ cause, part: { query: next } });
  const pairs = query
    .slice(1)
    .split('&')
    .filter((pair) => pair !== '');
  const queryOf = (some: readonly string[]): string =>
    some.length === 0 ? '' : `?${some.join('&')}`;
  const steps: Step[] = [];
  if (!query.includes(digestParameter) && body.length > 0) {
    const digest = createHash('sha256').update(body).digest('hex');
    steps.push(step('url_query_missing', queryOf([...pairs, `${digestParameter}=${digest}`])));
  }
  if (pairs.length === 0) return steps;
  steps.push(step('url_query_extra', ''));
  if (pairs.length <= 24) {
    for (const [index] of pairs.entries()) {
      steps.push(step('url_query_extra', queryOf(pairs.filter((_, at) => at !== index))));
    }
  }
  for (let kept = pairs.length - 2; kept > 0 && kept >= pairs.length - 6; kept -= 1) {
    steps.push(step('url_query_extra', queryOf(pairs.slice(0, kept))));
  }
  const text = query.slice(1);
  steps.push(step('url_query_changed', queryOf([...pairs].sort())));
  steps.push(step('url_query_changed', `?${text.replaceAll('+', '%20')}`));
  steps.push(step('url_query_changed', `?${text.replaceAll('%20', '+')}`));
  steps.push(step('url_query_changed', `?${text.replaceAll('+', '%2B')}`));
  steps.push(
    step('url_query_changed', `?${text.replace(/%[0-9a-f]{2}/gi, (code) => code.toUpperCase())}`),
  );
  steps.push(
    step('url_query_changed', `?${text.replace(/%[0-9a-f]{2}/gi, (code) => code.toLowerCase())}`),
  );
  steps.push(step('url_query_changed', `?${decoded(text)}`));
  steps.push(step('url_query_changed', `?${new URLSearchParams(text).toString()}`));
  return steps;
}

function* combined(dimensions: readonly (readonly Step[])[]): Generator<readonly Step[]> {
  for (const steps of dimensions) for (const step of steps) yield [step];
  for (const [index, steps] of dimensions.entries()) {
    for (const one of steps) {
      for (const others of dimensions.slice(index + 1)) for (const two of others) yield [one, two];
    }
  }
  const [schemes = [], hosts = [], , paths = []] = dimensions;
  for (const one of schemes) {
    for (const two of hosts) for (const three of paths.slice(0, 4)) yield [one, two, three];
  }
}

/**
 * URLs that may have been signed, those with one difference first, then two, then a few with three. How
 * many are tried is the caller's business. None for what is no URL.
 */
export function* urlChanges(sources: UrlSources): Generator<UrlChange> {
  const parts = split(sources.url);
  if (parts === null) return;
  const scheme = parts.scheme.toLowerCase() === 'https' ? 'http' : 'https';
  const dimensions = [
    [{ cause: 'url_scheme', part: { scheme } } as const],
    hostSteps(parts, sources),
    portSteps(parts, sources),
    pathSteps(parts, sources),
    querySteps(parts, sources.body),
  ];
  const seen = new Set([sources.url]);
  for (const steps of combined(dimensions)) {
    const value = join(steps.reduce<Parts>((made, { part }) => ({ ...made, ...part }), parts));
    if (seen.has(value)) continue;
    seen.add(value);
    const endpoint = steps.find((step) => step.endpoint !== undefined)?.endpoint;
    const causes = steps.map(({ cause }) => cause);
    yield endpoint === undefined ? { value, causes } : { value, causes, endpoint };
  }
}

/** The same for one kind of change alone, as a plain list. */
export const singleUrlChanges = (sources: UrlSources, limit: number): Change<string>[] => {
  const singles: Change<string>[] = [];
  for (const { value, causes } of urlChanges(sources)) {
    const [cause, ...more] = causes;
    if (cause === undefined || more.length > 0 || singles.length >= limit) break;
    singles.push({ cause, value });
  }
  return singles;
};
