// One request and its answer on uWebSockets.js. Holds what makes the library safe: the abort handler
// comes first, nothing of `req` outlives the call, nothing is written to a socket that is gone.

import { TrunklineError, toError } from './errors.js';
import type { HttpHandler, HttpRequest, HttpResponse } from './http.js';
import type { RequestHead } from './http-guard.js';
import { problem, respond } from './http-respond.js';
import type { UwsResponse } from './uws.js';

export interface ExchangeOptions {
  readonly maxBody: number;
  readonly handler: HttpHandler;
  /** True while the server drains: every answer then closes its connection. */
  readonly isDraining: () => boolean;
  /** A handler threw something that is no expected error; for the log. */
  readonly onFault: (error: Error, request: HttpRequest) => void;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

class CopiedRequest implements HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly clientAddress: string;
  readonly correlationId: string;
  #controller: AbortController | undefined;
  #isAborted = false;

  constructor(
    head: RequestHead,
    readonly params: readonly string[],
    readonly body: Buffer,
    readonly receivedAt: number,
  ) {
    this.method = head.method;
    this.path = head.path;
    this.query = head.query;
    this.headers = head.headers;
    this.clientAddress = head.clientAddress;
    this.correlationId = head.correlationId;
  }

  /** Made on first use: most handlers never ask, and a controller costs more than a route look-up. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#isAborted) this.#controller.abort();
    return this.#controller.signal;
  }

  abort(): void {
    this.#isAborted = true;
    this.#controller?.abort();
  }
}

/** The copied request as a handler sees it. `receivedAt` is the moment the head was read. */
export function copiedRequest(
  head: RequestHead,
  params: readonly string[],
  body: Buffer,
  receivedAt: number,
): HttpRequest {
  return new CopiedRequest(head, params, body, receivedAt);
}

/** Percent-decodes the parameters; null when one cannot be decoded. */
export function decodeParams(head: RequestHead): readonly string[] | null {
  try {
    return head.rawParams.map((raw) => (raw.includes('%') ? decodeURIComponent(raw) : raw));
  } catch {
    return null;
  }
}

/** From the copied head to the answer. Everything that can go wrong ends in exactly one answer or none. */
export class Exchange {
  #isOver = false;
  #request: CopiedRequest | undefined;

  constructor(
    private readonly res: UwsResponse,
    private readonly options: ExchangeOptions,
  ) {
    // First of all: uWebSockets.js ends the process when a handler returns without answer or this.
    res.onAborted(() => {
      this.#isOver = true;
      this.#request?.abort();
    });
  }

  /** Closes without an answer (a message that could be read in two ways). */
  refuse(): void {
    this.#isOver = true;
    this.res.close();
  }

  /** Collects the body, within bounds, and dispatches. */
  start(head: RequestHead): void {
    const receivedAt = this.options.now();
    const params = decodeParams(head);
    if (params === null) {
      this.#answer(head, problem('parameter_invalid', 'the path is not valid percent-encoding'));
    } else if ((head.contentLength ?? 0) > this.options.maxBody) {
      this.#answerTooLarge(head);
    } else if (head.hasBody) {
      this.#collect(head, (body) => this.#dispatch(head, copied(body)));
    } else {
      this.#dispatch(head, copied(empty));
    }
    function copied(body: Buffer): CopiedRequest {
      return new CopiedRequest(head, params ?? [], body, receivedAt);
    }
  }

  #collect(head: RequestHead, done: (body: Buffer) => void): void {
    const chunks: Buffer[] = [];
    let size = 0;
    this.res.onData((chunk, isLast) => {
      if (this.#isOver) return;
      size += chunk.byteLength;
      if (size > this.options.maxBody) {
        chunks.length = 0;
        this.#answerTooLarge(head);
        return;
      }
      // The chunk is emptied when this returns, so it is copied.
      chunks.push(Buffer.from(Buffer.from(chunk)));
      if (!isLast) return;
      done(chunks.length === 1 ? (chunks[0] ?? empty) : Buffer.concat(chunks, size));
    });
  }

  #dispatch(head: RequestHead, request: CopiedRequest): void {
    this.#request = request;
    try {
      const result = this.options.handler(request);
      if (!(result instanceof Promise)) {
        this.#answer(head, result);
        return;
      }
      result.then(
        (response) => this.#answer(head, response),
        (thrown: unknown) => this.#answerFault(head, request, thrown),
      );
    } catch (thrown) {
      this.#answerFault(head, request, thrown);
    }
  }

  #answerFault(head: RequestHead, request: HttpRequest, thrown: unknown): void {
    const error = toError(thrown);
    const known = error instanceof TrunklineError ? error : null;
    if (known === null || known.status >= 500) this.options.onFault(error, request);
    // What went wrong inside is for our log; a caller learns the code and the id to ask about.
    if (known === null) this.#answer(head, problem('internal', 'see the correlation id'));
    else if (known.status >= 500) this.#answer(head, problem(known.code, 'see the correlation id'));
    else this.#answer(head, problem(known.code, known.message));
  }

  /** The rest of the body would be read as the next request, so the connection ends here. */
  #answerTooLarge(head: RequestHead): void {
    const detail = `at most ${this.options.maxBody} bytes are taken here`;
    this.#answer(head, problem('body_too_large', detail), true);
  }

  #answer(head: RequestHead, response: HttpResponse, close = this.options.isDraining()): void {
    if (this.#isOver) return;
    this.#isOver = true;
    respond(this.res, response, {
      withoutBody: head.method === 'HEAD',
      correlationId: head.correlationId,
      close,
    });
  }
}

const empty = Buffer.alloc(0);
