// Chaos: the network between a process and a part. Comes in: connections on loopback. Goes out: the same
// bytes to the part, late or not at all, as long as the run says so.

import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** Bytes wait here at most: then the sender waits, as on a real wire. */
const windowBytes = 1 << 20;

/** One wire that can be cut and slowed. */
export class Wire {
  readonly #sockets = new Set<Socket>();
  #isCut = false;
  #delayMs = 0;

  private constructor(
    readonly port: number,
    private readonly server: Server,
  ) {}

  /** Listens on `port`, or on a free one for 0, and leads to `target` on loopback. */
  static async open(target: number, port = 0): Promise<Wire> {
    const server = createServer();
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const own = typeof address === 'object' && address !== null ? address.port : 0;
    const wire = new Wire(own, server);
    server.on('connection', (inner) => {
      wire.#join(inner, target);
    });
    return wire;
  }

  /** Closes what is open and lets nothing through until `mend`. */
  cut(): void {
    this.#isCut = true;
    this.#drop();
  }

  /** Each piece of data is so late in each direction, in order. */
  slow(delayMs: number): void {
    this.#delayMs = delayMs;
  }

  mend(): void {
    this.#isCut = false;
    this.#delayMs = 0;
  }

  async close(): Promise<void> {
    this.server.close();
    this.#drop();
    await once(this.server, 'close');
  }

  #drop(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #join(inner: Socket, target: number): void {
    if (this.#isCut) {
      inner.destroy();
      return;
    }
    const outer = connect(target, '127.0.0.1');
    for (const socket of [inner, outer]) {
      socket.setNoDelay(true);
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        inner.destroy();
        outer.destroy();
      });
    }
    this.#carry(inner, outer);
    this.#carry(outer, inner);
  }

  #carry(from: Socket, to: Socket): void {
    /** When what was taken last goes out: nothing overtakes. */
    let lastAt = 0;
    let waiting = 0;
    const pass = (chunk: Buffer | null): void => {
      if (chunk === null) {
        to.end();
        return;
      }
      if (to.destroyed) return;
      if (!to.write(chunk)) {
        from.pause();
        to.once('drain', () => from.resume());
      }
    };
    const take = (chunk: Buffer | null): void => {
      const now = performance.now();
      if (this.#delayMs === 0 && lastAt <= now) {
        pass(chunk);
        return;
      }
      const bytes = chunk?.length ?? 0;
      waiting += bytes;
      if (waiting > windowBytes) from.pause();
      lastAt = Math.max(lastAt, now + this.#delayMs);
      setTimeout(() => {
        if (waiting > windowBytes && waiting - bytes <= windowBytes) from.resume();
        waiting -= bytes;
        pass(chunk);
      }, lastAt - now).unref();
    };
    from.on('data', take);
    from.on('end', () => {
      take(null);
    });
  }
}
