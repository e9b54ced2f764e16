// Gateway: the HTTP API. In: routes, each with one zod schema that is its validation, its types and its
// OpenAPI. Out: handlers that authenticate, authorise, limit, validate and answer problem details, in
// that order; a route's own code sees only a principal and parsed parameters.

import type { z } from 'zod';

import { toError, TrunklineError, type ErrorCode } from '../runtime/errors.js';
import { problem, type HttpHandler, type HttpRequest, type HttpResponse } from '../runtime/http.js';
import type { Logger } from '../runtime/logger.js';
import { bearerOf, type Authenticator, type Principal } from './authenticate.js';
import { isAllowed, type Permission } from './authorize.js';
import type { GatewayMetrics } from './metrics.js';
import type { RateLimit } from './rate-limit.js';
import { toJson } from './views.js';

/** A route as OpenAPI and the router see it. */
export interface Route {
  readonly method: 'GET' | 'POST';
  /** uWebSockets.js pattern: `:name` for a path parameter. */
  readonly pattern: string;
  readonly summary: string;
  /** Null: no credential is asked for. */
  readonly permission: Permission | null;
  readonly query: z.ZodObject;
  readonly params: z.ZodObject;
  /** Null: a body is not read. */
  readonly body: z.ZodObject | null;
  /** `Idempotency-Key` is read: the same key is the same request. */
  readonly isIdempotent: boolean;
  readonly answer: { readonly status: number; readonly schema: z.ZodType | null };
  readonly errors: readonly ErrorCode[];
  readonly handle: (asked: Asked) => Promise<HttpResponse> | HttpResponse;
}

/** A request as the router hands it on; `query` and `params` have passed the route's schemas. */
export interface Asked {
  readonly request: HttpRequest;
  readonly principal: Principal | null;
  readonly query: unknown;
  readonly params: unknown;
  readonly body: unknown;
}

interface RouteSpec<Q extends z.ZodObject, P extends z.ZodObject, B extends z.ZodObject> {
  readonly method: 'GET' | 'POST';
  readonly pattern: string;
  readonly summary: string;
  readonly permission: Permission;
  readonly query: Q;
  readonly params: P;
  readonly body?: B;
  readonly isIdempotent?: boolean;
  readonly answer: { readonly status: number; readonly schema: z.ZodType | null };
  readonly errors?: readonly ErrorCode[];
  readonly handle: (asked: {
    readonly request: HttpRequest;
    readonly principal: Principal;
    readonly query: z.output<Q>;
    readonly params: z.output<P>;
    readonly body: z.output<B>;
  }) => Promise<HttpResponse> | HttpResponse;
}

/** Defines a route that needs a principal; ties the handler's types to the schemas. */
export function defineRoute<
  Q extends z.ZodObject,
  P extends z.ZodObject,
  B extends z.ZodObject = z.ZodObject,
>(spec: RouteSpec<Q, P, B>): Route {
  return {
    ...spec,
    errors: spec.errors ?? [],
    body: spec.body ?? null,
    isIdempotent: spec.isIdempotent ?? false,
    handle({ request, principal, query, params, body }) {
      if (principal === null) return problem('unauthenticated', 'send a Bearer token or API key');
      return spec.handle({
        request,
        principal,
        query: spec.query.parse(query),
        params: spec.params.parse(params),
        // The schema boundary: a route without a body does not look at it.
        body: (spec.body?.parse(body) ?? {}) as z.output<B>,
      });
    },
  };
}

export interface RouterDeps {
  readonly authenticator: Authenticator;
  readonly rateLimit: RateLimit;
  readonly metrics: GatewayMetrics;
  readonly logger: Logger;
  readonly clock: () => number;
}

/** The handler of a route: every layer in order, and nothing thrown gets past it. */
export function handlerOf(route: Route, deps: RouterDeps): HttpHandler {
  return async (request) => {
    const response = await answer(route, deps, request).catch((thrown: unknown) =>
      failed(deps, thrown, route, request),
    );
    deps.metrics.requests.inc({ route: route.pattern, status: String(response.status) });
    return response;
  };
}

async function answer(route: Route, deps: RouterDeps, request: HttpRequest): Promise<HttpResponse> {
  if (route.permission === null) return checked(route, request, null);
  const principal = await principalOf(deps.authenticator, request);
  if (principal === 'unavailable') {
    return problem('service_unreachable', 'credentials cannot be judged now');
  }
  if (principal === null) return unauthenticated();
  const rate = deps.rateLimit(principal.tenant, deps.clock());
  if (!rate.isAllowed) {
    const headers = { ...rate.headers, 'retry-after': String(rate.retryAfterSec) };
    return withHeaders(problem('rate_limited', 'the quota of this tenant is used up'), headers);
  }
  if (!isAllowed(principal.role, route.permission)) {
    return withHeaders(deny(deps, principal, route), rate.headers);
  }
  return withHeaders(await checked(route, request, principal), rate.headers);
}

async function principalOf(
  authenticator: Authenticator,
  request: HttpRequest,
): Promise<Principal | 'unavailable' | null> {
  const credential = bearerOf(request.headers.get('authorization'));
  if (credential === null) return null;
  const result = await authenticator.authenticate(credential);
  if (!result.ok) return result.reason === 'unavailable' ? 'unavailable' : null;
  return authenticator.stillValid(result.principal) ? result.principal : null;
}

function checked(
  route: Route,
  request: HttpRequest,
  principal: Principal | null,
): Promise<HttpResponse> | HttpResponse {
  const query = route.query.safeParse(queryOf(request.query));
  if (!query.success) return invalid(query.error);
  const names = route.pattern.split('/').filter((part) => part.startsWith(':'));
  const given = names.map((name, index) => [name.slice(1), request.params[index]] as const);
  const params = route.params.safeParse(Object.fromEntries(given));
  if (!params.success) return problem('not_found', 'nothing has that id');
  const body = bodyOf(route, request);
  if (!body.ok) return body.answer;
  if (route.isIdempotent && !isKey(request.headers.get('idempotency-key'))) return keyInvalid();
  const asked = { query: queryOf(request.query), params: Object.fromEntries(given) };
  return route.handle({ request, principal, ...asked, body: body.value });
}

type ReadBody =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly answer: HttpResponse };

/** The JSON of a body that has passed the route's schema; undefined where the route reads none. */
function bodyOf(route: Route, request: HttpRequest): ReadBody {
  if (route.body === null) return { ok: true, value: undefined };
  const type = request.headers.get('content-type') ?? '';
  if (!/^application\/json *(;|$)/i.test(type)) {
    return { ok: false, answer: problem('media_type', 'send JSON with application/json') };
  }
  let value: unknown;
  try {
    value = JSON.parse(request.body.toString('utf8'));
  } catch {
    return { ok: false, answer: problem('body_invalid', 'the body is no JSON') };
  }
  const parsed = route.body.safeParse(value);
  return parsed.success
    ? { ok: true, value }
    : { ok: false, answer: invalid(parsed.error, 'body_invalid') };
}

const isKey = (key: string | undefined): boolean =>
  key === undefined || /^[\x21-\x7e]{1,200}$/.test(key);

const keyInvalid = (): HttpResponse =>
  problem('parameter_invalid', 'see errors', {
    errors: [
      {
        parameter: 'Idempotency-Key',
        detail: 'must be 1 to 200 visible ASCII letters, e.g. a UUID',
      },
    ],
  });

/** Parameters by name; a repeated one is joined with a comma, which means OR where a list is allowed. */
function queryOf(text: string): Record<string, string> {
  const query: Record<string, string> = {};
  for (const [name, value] of new URLSearchParams(text)) {
    const known = Object.hasOwn(query, name) ? query[name] : undefined;
    Object.defineProperty(query, name, {
      value: known === undefined ? value : `${known},${value}`,
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
  return query;
}

/** Names the parameters at fault and what would be right; never repeats a value. */
function invalid(
  error: z.ZodError,
  code: 'parameter_invalid' | 'body_invalid' = 'parameter_invalid',
): HttpResponse {
  const errors = error.issues.slice(0, 20).flatMap((issue) => {
    const detail = issue.code === 'unrecognized_keys' ? 'is not known here' : issue.message;
    const names = issue.code === 'unrecognized_keys' ? issue.keys : [String(issue.path[0] ?? '')];
    const place = code === 'body_invalid' ? 'field' : 'parameter';
    return names.map((name) => ({ [place]: name.slice(0, 64), detail }));
  });
  return problem(code, 'see errors', { errors });
}

function deny(deps: RouterDeps, principal: Principal, route: Route): HttpResponse {
  deps.metrics.denied.inc();
  const { tenant, role, subject } = principal;
  deps.logger.warn({ code: 'denied', tenant, role, subject, route: route.pattern }, 'denied');
  return problem('forbidden', 'the role may not do this');
}

const unauthenticated = (): HttpResponse =>
  withHeaders(problem('unauthenticated', 'send a valid Bearer token or API key'), {
    'www-authenticate': 'Bearer realm="trunkline"',
  });

function failed(
  { logger }: RouterDeps,
  thrown: unknown,
  route: Route,
  request: HttpRequest,
): HttpResponse {
  const error = toError(thrown);
  if (error instanceof TrunklineError && error.status < 500) {
    return problem(error.code, error.message);
  }
  const isAway = error instanceof TrunklineError && error.retryable;
  const code: ErrorCode = isAway ? error.code : 'internal';
  const { correlationId } = request;
  logger.error(
    { code: 'request_failed', route: route.pattern, correlationId, error: error.message },
    'a request failed',
  );
  const response = problem(code, isAway ? 'try again soon' : 'the fault was logged');
  return isAway ? withHeaders(response, { 'retry-after': '1' }) : response;
}

/** The response with more headers. */
export const withHeaders = (
  response: HttpResponse,
  headers: Readonly<Record<string, string>>,
): HttpResponse => ({ ...response, headers: { ...response.headers, ...headers } });

/** A JSON answer that only its caller may keep, and only to ask again whether it still holds. */
export const jsonAnswer = (
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
  status = 200,
): HttpResponse => ({
  status,
  headers: {
    'content-type': 'application/json; charset=utf-8',
    'cache-control': 'private, no-cache',
    vary: 'Authorization',
    ...headers,
  },
  body: toJson(body),
});
