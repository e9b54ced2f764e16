// Ingest, why a signature failed: the search. Comes in: a refused request, the endpoint's credentials and
// what else the tenant has. Goes out: the smallest change under which the provider's own `verify` accepts,
// as a cause of the closed set; never a value of the request, of a secret or of another tenant.

import type { ProviderName } from '../../schemas/facts.js';
import type { EndpointId } from '../../schemas/ids.js';
import type { CauseCode } from '../../schemas/refusal-causes.js';
import type { StoredCredential } from '../providers/provider.js';
import { findProvider, providerNames } from '../providers/registry.js';
import type { RefusalCode, SignedRequest } from '../schemes/scheme.js';
import { bodyChanges } from './body-changes.js';
import type { TriedCredential } from './change.js';
import { credentialChanges } from './credential-changes.js';
import { headerChanges } from './header-changes.js';
import { Trial, type Match, type Work } from './trial.js';
import { singleUrlChanges, urlChanges, type UrlSources } from './url-changes.js';

/** Another endpoint of the same tenant. */
export interface OtherEndpoint {
  readonly id: EndpointId;
  readonly provider: ProviderName;
  readonly publicBaseUrl: string;
  readonly credentials: readonly StoredCredential[];
}

/** A request that was refused, and all that is known of the endpoint it came to. */
export interface RefusedRequest {
  readonly provider: ProviderName;
  /** As it was verified: `url` is the public one. */
  readonly request: SignedRequest;
  /** Path and query as received; null where they are not known apart from the URL. */
  readonly target: string | null;
  /** Our clock when it was refused, ms since 1970. */
  readonly nowMs: number;
  /** Live, newest first. */
  readonly credentials: readonly StoredCredential[];
  /** Those of the same endpoint that have ended, newest first. */
  readonly retired: readonly StoredCredential[];
  /** Of the same tenant only. */
  readonly others: readonly OtherEndpoint[];
  /** TRUNKLINE_PUBLIC_URL; null where it is not known. */
  readonly installationUrl: string | null;
  /** True where other measures say that our own clock is wrong. */
  readonly suspectsOwnClock?: boolean;
}

/** Why it was refused, as far as a search within bounds tells. */
export interface Explanation {
  readonly cause: CauseCode;
  /** A second thing that was wrong too. */
  readonly also: CauseCode | null;
  /** The endpoint of the same tenant that the cause speaks of. */
  readonly other: EndpointId | null;
  /** The provider that the cause speaks of. */
  readonly looksLike: ProviderName | null;
  /** Signed time minus our clock, in ms; null where the request signs none or it could not be read. */
  readonly offsetMs: number | null;
}

/** Work allowed for one request. */
export const workUnits = { full: 1_500, brief: 300 } as const;

const fullWork = (): Work => ({ units: workUnits.full, spent: 0 });

/** Largest body that is looked into. */
export const maxExaminedBytes = 1024 * 1024;

/** Runs the search to its end. Never throws. */
export function explain(refused: RefusedRequest, work: Work = fullWork()): Explanation {
  const search = examine(refused, work);
  for (;;) {
    const step = search.next();
    if (step.done === true) return step.value;
  }
}

/** The search in steps, each a few verifications at most, so that others get their turn between them. */
export function* examine(
  refused: RefusedRequest,
  work: Work = fullWork(),
): Generator<void, Explanation> {
  try {
    return yield* search(refused, work);
  } catch {
    // A provider's file that throws on what nobody foresaw: the refusal stands, its cause stays open.
    return bare('unknown');
  }
}

const bare = (cause: CauseCode, more: Partial<Explanation> = {}): Explanation => ({
  ...{ cause, also: null, other: null, looksLike: null, offsetMs: null },
  ...more,
});

const limits = { retired: 4, others: 12, repaired: 20, kept: 10, singles: 16, bodies: 12 } as const;

function* search(refused: RefusedRequest, work: Work): Generator<void, Explanation> {
  const provider = findProvider(refused.provider);
  if (provider === null || refused.request.body.length > maxExaminedBytes) {
    return bare('not_examined');
  }
  const { request, nowMs } = refused;
  const own = liveOf(refused);
  const all = [...own, ...repairedOf(refused), ...elsewhereOf(refused)];
  const trial = new Trial({ provider, request, nowMs, work });

  const first = trial.judge({}, own);
  if (first.ok) return bare('accepted_now');
  const signedOffset = first.signedAtMs === undefined ? null : first.signedAtMs - nowMs;
  const direct = trial.match({}, all);
  if (direct !== null) return explained(refused, [], direct);
  yield;

  const foreign = foreignDelivery(refused, provider.signatureHeaders);
  if (foreign !== null) return foreign;

  const few = all.filter(({ cause }) => cause === null || cause !== 'credential_encoding');
  const kept = few.slice(0, limits.kept);
  const found = yield* changed(trial, refused, kept, provider.signatureHeaders);
  return found ?? bare(fallbackOf(first.code, refused), { offsetMs: signedOffset });
}

const liveOf = ({ credentials }: RefusedRequest): TriedCredential[] =>
  credentials.slice(0, 8).map((value) => ({ value, cause: null }));

function repairedOf({ credentials }: RefusedRequest): TriedCredential[] {
  return credentials.slice(0, 4).flatMap((one) => credentialChanges(one, limits.repaired));
}

/** The endpoint's own that have ended, then those of the tenant's other endpoints of this provider. */
function elsewhereOf({ provider, retired, others }: RefusedRequest): TriedCredential[] {
  const ended = retired
    .slice(0, limits.retired)
    .map((value) => ({ value, cause: 'credential_retired' }) as const);
  const theirs = others
    .filter((other) => other.provider === provider)
    .flatMap(({ id, credentials }) =>
      credentials.map(
        (value) => ({ value, cause: 'credential_of_other_endpoint', endpoint: id }) as const,
      ),
    );
  return [...ended, ...theirs.slice(0, limits.others)];
}

/** Headers, URLs, bodies, then a URL together with a body. */
function* changed(
  trial: Trial,
  refused: RefusedRequest,
  credentials: readonly TriedCredential[],
  names: readonly string[],
): Generator<void, Explanation | null> {
  const { request } = refused;
  const { headers, body } = request;
  const method = request.method === 'GET' ? 'POST' : 'GET';
  const otherMethod = trial.match({ method }, credentials);
  if (otherMethod !== null) return explained(refused, ['method_changed'], otherMethod);
  for (const { cause, value } of headerChanges(headers, names)) {
    const match = trial.match({ headers: value }, credentials);
    if (match !== null) return explained(refused, [cause], match);
    yield;
  }
  const sources = sourcesOf(refused);
  if (trial.readsUrl) {
    for (const { value, causes, endpoint } of urlChanges(sources)) {
      if (trial.isSpent(0.55)) break;
      const match = trial.match({ url: value }, credentials);
      if (match !== null) return explained(refused, causes, match, endpoint);
      yield;
    }
  }
  for (const { cause, value, type } of bodyChanges(body, headers)) {
    if (trial.isSpent(0.85)) break;
    const match = trial.match(withBody(value, type, headers), credentials);
    if (match !== null) return explained(refused, [cause], match);
    yield;
  }
  return yield* together(trial, refused, credentials.slice(0, 3));
}

function* together(
  trial: Trial,
  refused: RefusedRequest,
  credentials: readonly TriedCredential[],
): Generator<void, Explanation | null> {
  if (!trial.readsUrl) return null;
  const { headers, body } = refused.request;
  const urls = singleUrlChanges(sourcesOf(refused), limits.singles);
  let bodies = 0;
  for (const { cause, value, type } of bodyChanges(body, headers)) {
    bodies += 1;
    if (bodies > limits.bodies) return null;
    for (const url of urls) {
      if (trial.isSpent(1)) return null;
      const match = trial.match({ ...withBody(value, type, headers), url: url.value }, credentials);
      if (match !== null) return explained(refused, [url.cause, cause], match);
      yield;
    }
  }
  return null;
}

const withBody = (
  body: Buffer,
  type: string | undefined,
  headers: ReadonlyMap<string, string>,
): Partial<SignedRequest> =>
  type === undefined ? { body } : { body, headers: new Map([...headers, ['content-type', type]]) };

const sourcesOf = ({ request, target, installationUrl, others }: RefusedRequest): UrlSources => ({
  ...{ url: request.url, headers: request.headers, body: request.body },
  ...{ target, installationUrl, others },
});

function explained(
  { suspectsOwnClock }: RefusedRequest,
  changes: readonly CauseCode[],
  { credential, offsetMs, isOutOfTime, account }: Match,
  endpoint?: EndpointId,
): Explanation {
  const clock =
    suspectsOwnClock === true ? 'own_clock' : offsetMs < 0 ? 'signed_in_past' : 'signed_in_future';
  const causes = [
    // Whose it is says more than where it was sent.
    ...(credential.cause === 'credential_of_other_endpoint' ? [credential.cause] : []),
    ...changes,
    ...(credential.cause === null || credential.endpoint !== undefined ? [] : [credential.cause]),
    ...(account ? (['account_mismatch'] as const) : []),
    ...(isOutOfTime ? ([clock] as const) : []),
  ];
  const [cause = 'accepted_now', also = null] = causes;
  const other = credential.endpoint ?? endpoint ?? null;
  return bare(cause, { also, other, offsetMs: isOutOfTime ? offsetMs : null });
}

/** The provider whose telling signature header came instead of ours; null where ours came too. */
function foreignDelivery(
  refused: RefusedRequest,
  ownHeaders: readonly string[],
): Explanation | null {
  const { headers } = refused.request;
  if (ownHeaders.some((name) => (headers.get(name) ?? '') !== '')) return null;
  for (const name of providerNames) {
    const [telling] = findProvider(name)?.signatureHeaders ?? [];
    if (telling === undefined || name === refused.provider || !headers.has(telling)) continue;
    // Many sign in it: it tells nothing of who.
    if (telling === 'authorization') continue;
    const other = refused.others.find((one) => one.provider === name)?.id ?? null;
    return bare('other_provider', { looksLike: name, other });
  }
  return null;
}

const fallbacks: Partial<Record<RefusalCode, CauseCode>> = {
  signature_missing: 'signature_header_missing',
  signature_repeated: 'signature_repeated',
  signature_malformed: 'signature_header_malformed',
  timestamp_missing: 'timestamp_header_missing',
  timestamp_malformed: 'timestamp_header_malformed',
  credentials_invalid: 'credential_unusable',
  form_too_wide: 'form_too_wide',
  body_not_signed: 'body_not_bound',
  body_digest_mismatch: 'body_changed',
  account_mismatch: 'account_mismatch',
  timestamp_stale: 'signed_in_past',
  timestamp_future: 'signed_in_future',
};

/** What the refusal itself says where no change explains it. */
function fallbackOf(code: RefusalCode, { request, credentials }: RefusedRequest): CauseCode {
  if (credentials.length === 0) return 'credential_unusable';
  const cause = fallbacks[code];
  const isOfBody = cause === undefined || cause === 'body_not_bound' || cause === 'body_changed';
  if (isOfBody && request.method === 'POST' && request.body.length === 0) return 'body_empty';
  return cause ?? 'unknown';
}
