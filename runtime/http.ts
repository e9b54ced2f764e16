// The one route wrapper (design section 4, uWebSockets.js safety): every HTTP route and WebSocket
// upgrade of every station goes through here. It attaches `onAborted` first, copies what the request
// holds, caps the body, and closes what could smuggle (doubled Content-Length, odd Transfer-Encoding).

import { createClientAddress, createIsTrusted } from './client-address.js';
import type { ClientAddress, ProxyProtocol } from './client-address.js';
import { systemClock } from './clock.js';
import type { Clock } from './clock.js';
import { TrunklineError } from './errors.js';
import { Exchange } from './http-exchange.js';
import type { ExchangeOptions } from './http-exchange.js';
import { Connections, defaultBounds, HttpCounts, SlowBodies } from './http-bounds.js';
import type { HttpBounds, HttpRefusal } from './http-bounds.js';
import { readHead } from './http-guard.js';
import { portInUse } from './http-listen.js';
import { problem } from './http-respond.js';
import { socketBehavior } from './http-socket.js';
import { silentLogger } from './logger.js';
import type { Logger } from './logger.js';
import { ProxiedDoor } from './proxied-door.js';
import { loadUws } from './uws.js';
import type { Uws, UwsApp, UwsHandler, UwsMethod, UwsResponse } from './uws.js';

export { problem } from './http-respond.js';

export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  /** Query string as received, without `?`. */
  readonly query: string;
  /** Lower-case names; a repeated header is joined with `, `. */
  readonly headers: ReadonlyMap<string, string>;
  /** Values of `:name` segments of the pattern, in order, percent-decoded. */
  readonly params: readonly string[];
  readonly body: Buffer;
  /** Of the socket, or the right-most untrusted hop behind trusted proxies. */
  readonly clientAddress: string;
  /** Taken from `x-correlation-id` when it is sane, else made; always answered. */
  readonly correlationId: string;
  readonly receivedAt: number;
  /** Aborts when the client goes away. */
  readonly signal: AbortSignal;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

export type HttpHandler = (request: HttpRequest) => Promise<HttpResponse> | HttpResponse;

export interface RouteOptions {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'ANY';
  /** uWebSockets.js pattern, e.g. `/v1/calls/:id`. */
  readonly pattern: string;
  /** Largest body in bytes; default 1 MiB; over it 413 and close. */
  readonly maxBody?: number;
  /**
   * Asked of a body that is larger than `maxBody`, with the path's parameters: how large it may be here.
   * For routes of which a few paths take more than the others.
   */
  readonly largerBody?: (params: readonly string[]) => number;
}

/** One open WebSocket, as the gateway sees it. */
export interface Socket {
  /** `sent`, `buffered` (backpressure) or `dropped` (a gap: resync or close). */
  send(text: string): 'sent' | 'buffered' | 'dropped';
  readonly bufferedBytes: number;
  /** Everything that `work` sends leaves in one write. Synchronous. */
  cork(work: () => void): void;
  subscribe(topic: string): void;
  unsubscribe(topic: string): void;
  end(code: number, reason: string): void;
  /** What the upgrade handler left for this connection. */
  readonly upgrade: HttpRequest;
}

export interface SocketHandlers {
  /** Decides on the upgrade; a response refuses it. Synchronous. */
  upgrade(request: HttpRequest): HttpResponse | null;
  open(socket: Socket): void;
  message(socket: Socket, text: string): void;
  /** Backpressure went down. */
  drain(socket: Socket): void;
  /** A message to this socket was dropped by the transport: a gap. */
  dropped(socket: Socket): void;
  close(socket: Socket, code: number): void;
}

export interface SocketOptions {
  readonly pattern: string;
  readonly maxFrameBytes: number;
  /**
   * Bytes kept for a slow reader. Over it a frame is dropped, `dropped` is called where the library
   * reports it, and the connection is closed at once: the peer sees 1006 and resumes by its cursor.
   */
  readonly maxBackpressureBytes: number;
  /** 8 to 960 seconds; pings are sent so that only a dead peer is idle. */
  readonly idleTimeoutSec: number;
  /** Answered in Sec-WebSocket-Protocol when the client offers it. */
  readonly protocol?: string;
}

export interface HttpServer {
  route(options: RouteOptions, handler: HttpHandler): void;
  socket(options: SocketOptions, handlers: SocketHandlers): void;
  /** Publishes one text frame to every socket subscribed to the topic. */
  publish(topic: string, text: string): void;
  /** What it holds and has turned away. */
  readonly counts: HttpCounts;
  /** Starts listening; the port that was taken. Rejects with `port_in_use`. */
  listen(host: string, port: number): Promise<number>;
  /** Stops accepting; open sockets stay until their station ends them. */
  stopAccepting(): void;
  close(): void;
}

export interface HttpServerOptions {
  /** CIDRs of proxies whose X-Forwarded-For is believed. */
  readonly trustedProxies: readonly string[];
  /** `v2`: every connection comes from a trusted proxy and begins with a PROXY header. Default `off`. */
  readonly proxyProtocol?: ProxyProtocol;
  /** Where they differ from `defaultBounds`. */
  readonly bounds?: Partial<HttpBounds>;
  /** Where faults of handlers are told; default nowhere. */
  readonly logger?: Logger;
  readonly clock?: Clock;
}

/** Makes the server of one process. Throws `uws_missing`, or `config_invalid` for a bad proxy CIDR. */
export async function createHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const clientAddress = createClientAddress(options.trustedProxies, options.proxyProtocol);
  const { uws } = await loadUws();
  return new UwsServer(uws, clientAddress, options);
}

const methods = {
  GET: 'get',
  HEAD: 'head',
  POST: 'post',
  PUT: 'put',
  PATCH: 'patch',
  DELETE: 'del',
  OPTIONS: 'options',
} as const satisfies Readonly<Record<string, UwsMethod>>;
type MethodName = keyof typeof methods;
const methodNames = Object.keys(methods) as readonly MethodName[];

const defaultMaxBody = 1024 * 1024;
const quietMs = 10_000;

class UwsServer implements HttpServer {
  readonly #app: UwsApp;
  /** Methods by pattern, to answer 405 for the others. */
  readonly #allowed = new Map<string, Set<MethodName>>();
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #bounds: HttpBounds;
  readonly #connections: Connections;
  readonly #slowBodies: SlowBodies;
  readonly counts = new HttpCounts();
  /** Takes the connections in place of uWebSockets.js where each has a PROXY header. */
  readonly #door: ProxiedDoor | null;
  /** By fault of a PROXY header. */
  readonly #quietUntil = new Map<string, number>();
  #listenToken: unknown = null;
  #isDraining = false;
  #isClosed = false;

  constructor(
    private readonly uws: Uws,
    private readonly clientAddress: ClientAddress,
    options: HttpServerOptions,
  ) {
    this.#app = uws.App();
    this.#logger = options.logger ?? silentLogger;
    this.#clock = options.clock ?? systemClock;
    this.#bounds = { ...defaultBounds, ...options.bounds };
    this.#connections = new Connections(this.#bounds, this.counts);
    this.#connections.watch(this.#app);
    this.#slowBodies = new SlowBodies(this.#bounds, this.counts);
    this.#door = options.proxyProtocol === 'v2' ? this.#proxiedDoor(options.trustedProxies) : null;
  }

  route(options: RouteOptions, handler: HttpHandler): void {
    const { method, pattern } = options;
    const wrapped = this.#wrap(options, handler);
    const own: readonly MethodName[] =
      method === 'ANY' ? methodNames : method === 'GET' ? ['GET', 'HEAD'] : [method];
    const allowed = this.#allowed.get(pattern) ?? new Set();
    this.#allowed.set(pattern, allowed);
    for (const name of own) {
      allowed.add(name);
      this.#app[methods[name]](pattern, wrapped);
    }
    if (method === 'ANY') this.#app.any(pattern, wrapped);
  }

  socket(options: SocketOptions, handlers: SocketHandlers): void {
    const { idleTimeoutSec } = options;
    if (idleTimeoutSec < 8 || idleTimeoutSec > 960) {
      throw new TrunklineError('config_invalid', 'an idle timeout lies within 8 and 960 seconds');
    }
    const context = {
      clientAddress: this.clientAddress,
      onFault: this.#onFault,
      now: this.#clock,
      onAsked: this.#onAsked,
      onRefused: this.#onRefused,
      onUpgraded: () => this.#connections.upgraded(),
    };
    this.#app.ws(options.pattern, socketBehavior(this.uws, options, handlers, context));
    this.route({ method: 'GET', pattern: options.pattern }, () =>
      problem('upgrade_required', 'connect with a WebSocket'),
    );
  }

  publish(topic: string, text: string): void {
    this.#app.publish(topic, text, false);
  }

  listen(host: string, port: number): Promise<number> {
    this.#answerTheRest();
    if (this.#door !== null) return this.#door.listen(this.#app, host, port);
    return new Promise((resolve, reject) => {
      // Without the exclusive flag a second instance would share the port and take half the traffic.
      this.#app.listen(host, port, this.uws.LIBUS_LISTEN_EXCLUSIVE_PORT, (token) => {
        if (token === false || token === null || token === undefined) {
          reject(portInUse(host, port));
          return;
        }
        this.#listenToken = token;
        resolve(this.uws.us_socket_local_port(token));
      });
    });
  }

  stopAccepting(): void {
    this.#isDraining = true;
    this.#door?.stopAccepting();
    if (this.#listenToken === null) return;
    this.uws.us_listen_socket_close(this.#listenToken);
    this.#listenToken = null;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.stopAccepting();
    this.#door?.close();
    this.#app.close();
  }

  #wrap(route: Omit<RouteOptions, 'method'>, handler: HttpHandler): UwsHandler {
    const paramCount = route.pattern.split('/:').length - 1;
    const options: ExchangeOptions = {
      maxBody: route.maxBody ?? defaultMaxBody,
      ...(route.largerBody === undefined ? {} : { largerBody: route.largerBody }),
      handler,
      slowBodies: this.#slowBodies,
      onRefused: this.#onRefused,
      isDraining: () => this.#isDraining,
      onFault: this.#onFault,
      now: this.#clock,
    };
    return (res, req) => {
      const exchange = new Exchange(res, options);
      const head = readHead(res, req, paramCount, this.clientAddress);
      this.#onAsked(res);
      if (typeof head === 'string') exchange.refuse(head);
      else exchange.start(head);
    };
  }

  /** 405 where the path is known, 404 elsewhere; both through the same guard. */
  #answerTheRest(): void {
    for (const [pattern, allowed] of this.#allowed) {
      if (pattern.endsWith('*')) continue;
      const refuse = this.#wrap({ pattern }, methodNotAllowed([...allowed].join(', ')));
      for (const name of methodNames) {
        if (!allowed.has(name)) this.#app[methods[name]](pattern, refuse);
      }
      if (allowed.size < methodNames.length) this.#app.any(pattern, refuse);
    }
    if (this.#allowed.get('/*')?.size === methodNames.length) return;
    const notFound = (): HttpResponse => problem('not_found', 'there is nothing at this path');
    this.#app.any('/*', this.#wrap({ pattern: '/*' }, notFound));
  }

  #proxiedDoor(trustedProxies: readonly string[]): ProxiedDoor {
    return new ProxiedDoor({
      isTrusted: createIsTrusted(trustedProxies),
      bounds: this.#bounds,
      onRefused: (fault) => {
        this.counts.refuse('proxy_header');
        // One line for each fault in a while: whoever knocks must not fill the log.
        const now = performance.now();
        if (now < (this.#quietUntil.get(fault) ?? 0)) return;
        this.#quietUntil.set(fault, now + quietMs);
        this.#logger.warn({ code: 'proxy_header_refused', fault }, 'a connection was refused');
      },
    });
  }

  readonly #onAsked = (res: UwsResponse): void => this.#connections.asked(res);

  readonly #onRefused = (reason: HttpRefusal): void => this.counts.refuse(reason);

  readonly #onFault = (error: Error, request: HttpRequest): void => {
    const { method, correlationId } = request;
    this.#logger.error({ code: 'http_fault', error, method, correlationId }, 'a handler failed');
  };
}

function methodNotAllowed(allow: string): HttpHandler {
  return () => {
    const answer = problem('method_not_allowed', `this path takes ${allow}`);
    return { ...answer, headers: { ...answer.headers, allow } };
  };
}
