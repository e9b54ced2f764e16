// Gateway: all WebSockets of the process. In: upgrades and frames from the transport, steps of the feed. Out:
// connections that are woken, kept alive, told about losses, and drained at the end.

import { setTimeout as sleep } from 'node:timers/promises';

import { problem, type HttpRequest, type HttpServer, type Socket } from '../runtime/http.js';
import type { TenantId } from '../schemas/ids.js';
import { bearerOf, type Principal } from './authenticate.js';
import { maxClientFrame } from './frames.js';
import type { OriginRule } from './origin.js';
import { Connection, socketLimits, type SocketDeps, type SocketLimits } from './socket.js';

/** Path of the stream. */
export const streamPath = '/v1/stream';
/** How often `tick` is to be called. */
export const tickEveryMs = 250;

/** Registers the stream's route and keeps its connections. */
export class Sockets {
  private readonly connections = new Map<Socket, Connection>();
  private readonly admitted = new WeakMap<HttpRequest, Principal>();
  private isDraining = false;

  constructor(
    private readonly deps: SocketDeps & { readonly isAllowedOrigin: OriginRule },
    server: Pick<HttpServer, 'socket'>,
    private readonly limits: SocketLimits = socketLimits,
  ) {
    server.socket(
      {
        pattern: streamPath,
        // Above our own limit, which is answered with words; beyond this the transport cuts.
        maxFrameBytes: maxClientFrame * 16,
        maxBackpressureBytes: limits.hardBytes * 2,
        idleTimeoutSec: 60,
      },
      {
        upgrade: (request) => this.upgrade(request),
        open: (socket) => {
          this.open(socket);
        },
        message: (socket, text) => this.connections.get(socket)?.receive(text),
        drain: (socket) => this.connections.get(socket)?.drained(),
        dropped: (socket) => this.connections.get(socket)?.dropped(),
        close: (socket) => {
          this.closed(socket);
        },
      },
    );
  }

  get size(): number {
    return this.connections.size;
  }

  /** The tenants' events are void: every subscription begins again. */
  resync(tenants: readonly TenantId[], reason: 'gap' | 'epoch'): void {
    const concerned = new Set<TenantId | null>(tenants);
    for (const connection of this.connections.values()) {
      if (concerned.has(connection.tenant)) connection.resync(reason);
    }
  }

  /** Heartbeats, expiry and slow readers of every connection; called every `tickEveryMs`. */
  tick(): void {
    for (const connection of this.connections.values()) connection.tick();
  }

  /** Tells everybody, then closes in batches so that not all come back at once; within `withinMs`. */
  async drain(withinMs: number): Promise<void> {
    this.isDraining = true;
    for (const connection of this.connections.values()) {
      connection.drain(100 + Math.floor(Math.random() * 2_000));
    }
    const batches = 5;
    const open = [...this.connections.values()];
    for (let batch = 0; batch < batches && this.connections.size > 0; batch += 1) {
      const from = Math.ceil((open.length * batch) / batches);
      const to = Math.ceil((open.length * (batch + 1)) / batches);
      for (const connection of open.slice(from, to)) connection.close('shutdown', 'restarting');
      if (batch < batches - 1) await sleep(withinMs / batches / 2);
    }
  }

  private upgrade(request: HttpRequest): ReturnType<typeof problem> | null {
    if (this.isDraining) return problem('draining', 'this node is going away');
    if (!this.deps.isAllowedOrigin(request)) {
      this.deps.metrics.denied.inc();
      return problem('forbidden', 'pages of this origin are let in by TRUNKLINE_ORIGINS');
    }
    const ticket = new URLSearchParams(request.query).get('ticket');
    if (ticket === null) return null;
    const principal = this.deps.authenticator.takeTicket(ticket);
    if (principal === null) return problem('unauthenticated', 'the ticket is used or over');
    this.admitted.set(request, principal);
    return null;
  }

  private open(socket: Socket): void {
    const connection = new Connection(this.deps, this.limits, socket);
    this.connections.set(socket, connection);
    this.deps.metrics.connections.inc();
    const principal = this.admitted.get(socket.upgrade);
    const bearer = bearerOf(socket.upgrade.headers.get('authorization'));
    if (principal !== undefined) connection.admit(principal);
    else if (bearer !== null) connection.present(bearer);
  }

  private closed(socket: Socket): void {
    this.connections.get(socket)?.gone();
    if (this.connections.delete(socket)) this.deps.metrics.connections.dec();
  }
}
