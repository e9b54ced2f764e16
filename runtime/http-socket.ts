// WebSockets on uWebSockets.js: upgrade decided synchronously on a copied head, backpressure told to
// the station in its own words, and no call to a socket that is closed.

import { toError } from './errors.js';
import type { HttpRequest, Socket, SocketHandlers, SocketOptions } from './http.js';
import type { ClientAddress } from './client-address.js';
import type { HttpRefusal } from './http-bounds.js';
import { copiedRequest } from './http-exchange.js';
import { readHead } from './http-guard.js';
import { respond } from './http-respond.js';
import type { Uws, UwsBehavior, UwsRequest, UwsResponse, UwsSocket } from './uws.js';

export interface SocketContext {
  readonly clientAddress: ClientAddress;
  readonly onFault: (error: Error, request: HttpRequest) => void;
  readonly now: () => number;
  /** A request came over this connection. */
  readonly onAsked: (res: UwsResponse) => void;
  readonly onRefused: (reason: HttpRefusal) => void;
  /** The connection is a WebSocket from now on. */
  readonly onUpgraded: () => void;
}

/** What uWebSockets.js keeps with a connection: one reference, whatever it copies. */
interface Carried {
  readonly connection: Connection;
}

class Connection implements Socket {
  #ws: UwsSocket<Carried> | null = null;

  constructor(readonly upgrade: HttpRequest) {}

  opened(ws: UwsSocket<Carried>): void {
    this.#ws = ws;
  }

  closed(): void {
    this.#ws = null;
  }

  send(text: string): 'sent' | 'buffered' | 'dropped' {
    // uWebSockets.js: 1 written, 0 kept (backpressure), 2 dropped over the limit.
    const status = this.#ws?.send(text, false) ?? 2;
    return status === 1 ? 'sent' : status === 0 ? 'buffered' : 'dropped';
  }

  get bufferedBytes(): number {
    return this.#ws?.getBufferedAmount() ?? 0;
  }

  cork(work: () => void): void {
    if (this.#ws === null) work();
    else this.#ws.cork(work);
  }

  subscribe(topic: string): void {
    this.#ws?.subscribe(topic);
  }

  unsubscribe(topic: string): void {
    this.#ws?.unsubscribe(topic);
  }

  end(code: number, reason: string): void {
    // RFC 6455: a close frame holds at most 123 bytes of reason.
    this.#ws?.end(code, Buffer.from(reason, 'utf8').subarray(0, 123).toString('utf8'));
  }
}

/** The behaviour of one socket route. A handler that throws ends its socket with 1011, no other. */
export function socketBehavior(
  uws: Uws,
  options: SocketOptions,
  handlers: SocketHandlers,
  context: SocketContext,
): UwsBehavior<Carried> {
  const guarded = (connection: Connection, work: () => void): void => {
    try {
      work();
    } catch (thrown) {
      context.onFault(toError(thrown), connection.upgrade);
      connection.end(1011, 'internal');
    }
  };
  return {
    compression: uws.DISABLED,
    maxPayloadLength: options.maxFrameBytes,
    maxBackpressure: options.maxBackpressureBytes,
    closeOnBackpressureLimit: true,
    idleTimeout: options.idleTimeoutSec,
    sendPingsAutomatically: true,
    upgrade: (res, req, wsContext) => upgrade({ res, req, wsContext }, options, handlers, context),
    open: (ws) => {
      const { connection } = ws.getUserData();
      connection.opened(ws);
      guarded(connection, () => handlers.open(connection));
    },
    message: (ws, message, isBinary) => {
      const { connection } = ws.getUserData();
      if (isBinary) connection.end(1003, 'text frames only');
      else guarded(connection, () => handlers.message(connection, textOf(message)));
    },
    drain: (ws) => {
      const { connection } = ws.getUserData();
      guarded(connection, () => handlers.drain(connection));
    },
    dropped: (ws) => {
      const { connection } = ws.getUserData();
      guarded(connection, () => handlers.dropped(connection));
    },
    close: (ws, code) => {
      const { connection } = ws.getUserData();
      connection.closed();
      guarded(connection, () => handlers.close(connection, code));
    },
  };
}

const textOf = (message: ArrayBuffer): string => Buffer.from(message).toString('utf8');

function upgrade(
  raw: { readonly res: UwsResponse; readonly req: UwsRequest; readonly wsContext: unknown },
  options: SocketOptions,
  handlers: SocketHandlers,
  context: SocketContext,
): void {
  const { res, req } = raw;
  res.onAborted(() => undefined);
  const head = readHead(res, req, 0, context.clientAddress);
  context.onAsked(res);
  if (typeof head === 'string') {
    context.onRefused(head);
    res.close();
    return;
  }
  const request = copiedRequest(head, [], Buffer.alloc(0), context.now());
  const refusal = decide(handlers, request, context);
  if (refusal !== null) {
    respond(res, refusal, { withoutBody: false, correlationId: head.correlationId, close: true });
    return;
  }
  const header = (name: string): string => head.headers.get(`sec-websocket-${name}`) ?? '';
  context.onUpgraded();
  const carried: Carried = { connection: new Connection(request) };
  res.cork(() => {
    res.upgrade(
      carried,
      header('key'),
      chosenProtocol(header('protocol'), options.protocol),
      header('extensions'),
      raw.wsContext,
    );
  });
}

function decide(
  handlers: SocketHandlers,
  request: HttpRequest,
  context: SocketContext,
): ReturnType<SocketHandlers['upgrade']> {
  try {
    return handlers.upgrade(request);
  } catch (thrown) {
    context.onFault(toError(thrown), request);
    return { status: 500 };
  }
}

/** RFC 6455: the server picks one of the offered protocols or none; a credential is never echoed. */
function chosenProtocol(offered: string, ours: string | undefined): string {
  if (ours === undefined) return '';
  return offered.split(',').some((one) => one.trim() === ours) ? ours : '';
}
