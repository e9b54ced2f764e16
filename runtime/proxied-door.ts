// Where every connection comes with a PROXY header: uWebSockets.js listens on a socket in a directory of
// this process alone, and the front before it takes the port.

import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { TrunklineError } from './errors.js';
import type { HttpBounds } from './http-bounds.js';
import { portInUse } from './http-listen.js';
import { ProxyFront, type FrontRefusal } from './proxy-front.js';
import { writeProxyHeader } from './proxy-protocol.js';
import type { UwsApp } from './uws.js';

export interface ProxiedDoorOptions {
  readonly isTrusted: (address: string) => boolean;
  readonly bounds: HttpBounds;
  readonly onRefused: (reason: FrontRefusal) => void;
}

export class ProxiedDoor {
  // Made with mode 0700: what arrives on the socket in it has come through the front.
  readonly #directory = mkdtempSync(join(tmpdir(), 'trunkline-'));
  readonly #front: ProxyFront;

  constructor({ bounds, ...options }: ProxiedDoorOptions) {
    this.#front = new ProxyFront({
      ...options,
      socketPath: this.#socketPath,
      headerMs: bounds.proxyHeaderMs,
      maxConnections: bounds.connections,
    });
  }

  get #socketPath(): string {
    return join(this.#directory, 'http.sock');
  }

  /** The port that was taken. Rejects with `port_in_use`, or `uws_missing` for a build without PROXY. */
  async listen(app: UwsApp, host: string, port: number): Promise<number> {
    const isListening = await new Promise<boolean>((resolve) => {
      app.listen_unix((token) => resolve(Boolean(token)), this.#socketPath);
    });
    if (!isListening) throw portInUse(this.#socketPath, 0);
    await this.#check();
    try {
      return await this.#front.listen(host, port);
    } catch {
      throw portInUse(host, port);
    }
  }

  stopAccepting(): void {
    this.#front.stopAccepting();
  }

  close(): void {
    this.#front.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** Builds of uWebSockets.js may have been made without PROXY; nothing would ever be answered. */
  async #check(): Promise<void> {
    const socket = connect(this.#socketPath);
    let answer = '';
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')));
    socket.on('error', () => undefined);
    socket.write(writeProxyHeader('192.0.2.1'));
    socket.write('GET /health/proxy HTTP/1.1\r\nHost: trunkline\r\nConnection: close\r\n\r\n');
    await once(socket, 'close');
    if (/^HTTP\/1\.1 \d{3} [^]*x-correlation-id/i.test(answer)) return;
    throw new TrunklineError(
      'uws_missing',
      'this build of uWebSockets.js reads no PROXY headers; install another or set TRUNKLINE_PROXY_PROTOCOL=off',
    );
  }
}
