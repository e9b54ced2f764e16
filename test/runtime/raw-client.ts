// A client that writes bytes as they are, for what no HTTP library would send.

import { connect } from 'node:net';
import type { Socket } from 'node:net';

export class RawClient {
  #received = '';
  #isClosed = false;
  readonly #waiting = new Set<() => void>();

  private constructor(readonly socket: Socket) {
    socket.on('data', (chunk) => {
      this.#received += chunk.toString('latin1');
      this.#wake();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#isClosed = true;
      this.#wake();
    });
  }

  static async open(port: number): Promise<RawClient> {
    const socket = connect(port, '127.0.0.1');
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new RawClient(socket);
  }

  write(text: string): void {
    this.socket.write(text, 'latin1');
  }

  /** Everything received once it matches, or once the other side closed. */
  async until(pattern: RegExp): Promise<string> {
    while (!pattern.test(this.#received) && !this.#isClosed) await this.#change();
    return this.#received;
  }

  /** Everything received once it is longer than `length` bytes and nothing more has come for a turn. */
  async untilLength(length: number): Promise<string> {
    while (this.#received.length < length && !this.#isClosed) await this.#change();
    return this.#received;
  }

  /** Once the (global) pattern matches so often, or the other side closed. */
  async untilCount(pattern: RegExp, count: number): Promise<void> {
    while ((this.#received.match(pattern)?.length ?? 0) < count && !this.#isClosed) {
      await this.#change();
    }
  }

  /** The next whole answer, taken off what was received; what there is when the other side closed. */
  async answer(): Promise<string> {
    for (;;) {
      const end = this.#received.indexOf('\r\n\r\n') + 4;
      const length = Number(
        /\r\ncontent-length: (\d+)/i.exec(this.#received.slice(0, end))?.[1] ?? 0,
      );
      if (this.#isClosed || (end > 3 && this.#received.length >= end + length)) {
        const answer = this.#received.slice(0, end + length);
        this.#received = this.#received.slice(end + length);
        return answer;
      }
      await this.#change();
    }
  }

  get received(): string {
    return this.#received;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Everything received up to the close. */
  async untilClosed(): Promise<string> {
    while (!this.#isClosed) await this.#change();
    return this.#received;
  }

  abort(): void {
    this.socket.resetAndDestroy();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.add(resolve));
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}

/** Sends the bytes and returns what came back by the time the server closed. */
export async function exchangeRaw(port: number, text: string): Promise<string> {
  const client = await RawClient.open(port);
  client.write(text);
  return client.untilClosed();
}
