// The door for TCP proxies that speak PROXY protocol v2. Comes in: connections of trusted proxies. Goes
// out: the same bytes to uWebSockets.js on a socket in a private directory, behind a header of ours.
// uWebSockets.js reads such headers itself, but of anybody, before any request of a connection, LOCAL
// or not: a client behind the proxy could give itself an address (docs/decisions/0009).

import { createServer, connect, type Server, type Socket } from 'node:net';

import {
  readProxyHeader,
  SignatureSearch,
  writeProxyHeader,
  type ProxyFault,
} from './proxy-protocol.js';

/** Why a connection was closed at this door; a closed set. */
export type FrontRefusal = 'untrusted_peer' | 'header_late' | 'header_repeated' | ProxyFault;

export interface ProxyFrontOptions {
  /** Where uWebSockets.js listens. */
  readonly socketPath: string;
  /** Judges the address of a socket. */
  readonly isTrusted: (address: string) => boolean;
  /** From the connection to the last byte of its header. */
  readonly headerMs: number;
  readonly maxConnections: number;
  readonly onRefused: (reason: FrontRefusal) => void;
}

/** Connections that a proxy has opened, and their other halves. */
export class ProxyFront {
  readonly #server: Server;
  readonly #open = new Set<Socket>();

  constructor(private readonly options: ProxyFrontOptions) {
    // Half-open, so that the end of one direction is passed on and not made an end of both.
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      this.#accept(socket);
    });
    this.#server.maxConnections = options.maxConnections;
  }

  /** The port that was taken; rejects with the error of the system. */
  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port, exclusive: true }, () => {
        this.#server.off('error', reject);
        const address = this.#server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : 0);
      });
    });
  }

  /** Takes no new connections; those that are open go on. */
  stopAccepting(): void {
    this.#server.close();
  }

  close(): void {
    this.stopAccepting();
    for (const socket of this.#open) socket.destroy();
  }

  #accept(socket: Socket): void {
    this.#open.add(socket);
    socket.on('error', ignore);
    socket.on('close', () => this.#open.delete(socket));
    const peer = withoutZone(socket.remoteAddress ?? '');
    if (this.options.isTrusted(peer)) this.#readHeader(socket, peer);
    else this.#refuse(socket, 'untrusted_peer');
  }

  #readHeader(socket: Socket, peer: string): void {
    const timer = setTimeout(() => this.#refuse(socket, 'header_late'), this.options.headerMs);
    let bytes: Buffer = Buffer.alloc(0);
    const ended = (): void => {
      clearTimeout(timer);
      socket.destroy();
    };
    const read = (chunk: Buffer): void => {
      bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
      const header = readProxyHeader(bytes);
      if (header.state === 'incomplete') return;
      clearTimeout(timer);
      socket.off('data', read).off('end', ended).off('close', ended);
      if (header.state === 'invalid') this.#refuse(socket, header.fault);
      else this.#join(socket, header.source ?? peer, bytes.subarray(header.length));
    };
    socket.on('data', read).on('end', ended).on('close', ended);
  }

  #refuse(socket: Socket, reason: FrontRefusal): void {
    this.options.onRefused(reason);
    socket.destroy();
  }

  /** From here on bytes go both ways, and a second header in them ends the connection. */
  #join(client: Socket, source: string, first: Buffer): void {
    const server = connect({ path: this.options.socketPath, allowHalfOpen: true });
    this.#open.add(server);
    server.on('close', () => this.#open.delete(server));
    server.on('error', ignore);
    server.write(writeProxyHeader(source));
    const search = new SignatureSearch();
    const forward = (chunk: Buffer): void => {
      if (search.finds(chunk)) {
        this.#refuse(client, 'header_repeated');
        return;
      }
      if (!server.write(chunk)) client.pause();
    };
    if (first.length > 0) forward(first);
    client.on('data', forward);
    server.on('drain', () => client.resume());
    server.on('data', (chunk: Buffer) => {
      if (!client.write(chunk)) server.pause();
    });
    client.on('drain', () => server.resume());
    client.on('end', () => server.end());
    server.on('end', () => client.end());
    client.on('close', () => server.destroy());
    server.on('close', () => client.destroySoon());
  }
}

// A socket that fails closes as well, and that is heard.
const ignore = (): void => undefined;

/** `fe80::1%eth0` without its zone. */
const withoutZone = (address: string): string => address.split('%')[0] ?? '';
