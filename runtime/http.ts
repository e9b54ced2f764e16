// The one route wrapper (design section 4, uWebSockets.js safety): every HTTP route and WebSocket
// upgrade of every station goes through here. It attaches `onAborted` first, copies what the request
// holds, caps the body, and closes what could smuggle (doubled Content-Length, odd Transfer-Encoding).

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
}

/** One open WebSocket, as the gateway sees it. */
export interface Socket {
  /** `sent`, `buffered` (backpressure) or `dropped` (a gap: resync or close). */
  send(text: string): 'sent' | 'buffered' | 'dropped';
  readonly bufferedBytes: number;
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
  readonly maxBackpressureBytes: number;
  readonly idleTimeoutSec: number;
}

export interface HttpServer {
  route(options: RouteOptions, handler: HttpHandler): void;
  socket(options: SocketOptions, handlers: SocketHandlers): void;
  /** Publishes one text frame to every socket subscribed to the topic. */
  publish(topic: string, text: string): void;
  /** Starts listening; the port that was taken. Rejects with `port_in_use`. */
  listen(host: string, port: number): Promise<number>;
  /** Stops accepting; open sockets stay until their station ends them. */
  stopAccepting(): void;
  close(): void;
}

export declare function createHttpServer(options: {
  readonly trustedProxies: readonly string[];
}): Promise<HttpServer>;

/** RFC 9457 problem details; `code` is one of runtime/errors. */
export declare function problem(
  code: import('./errors.js').ErrorCode,
  detail: string,
  extra?: Readonly<Record<string, unknown>>,
): HttpResponse;
