// One request and its answer on uWebSockets.js. Holds what makes the library safe: the abort handler
// comes first, nothing of `req` outlives the call, nothing is written to a socket that is gone.

import { TrunklineError, toError } from './errors.js';
import type { HttpHandler, HttpRequest, HttpResponse } from './http.js';
import type { HttpRefusal, SlowBodies, SlowBody } from './http-bounds.js';
import type { RequestHead } from './http-guard.js';
import { problem, respond } from './http-respond.js';
import type { UwsResponse } from './uws.js';

export interface ExchangeOptions {
  readonly maxBody: number;
  /** The bound for bodies larger than `maxBody`, by the path's parameters. */
  readonly largerBody?: (params: readonly string[]) => number;
  readonly handler: HttpHandler;
  readonly slowBodies: SlowBodies;
  /** A request ended before its handler saw it; for the metrics. */
  readonly onRefused: (reason: HttpRefusal) => void;
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
  /** Nothing may be written any more. */
  #isOver = false;
  /** What is still read of the body is of no use. */
  #isAnswered = false;
  #request: CopiedRequest | undefined;
  /** The bound that `largerBody` gave; null until a body is that large. */
  #largerBody: number | null = null;
  /** While the body is on its way. */
  #slow: SlowBody | undefined;

  constructor(
    private readonly res: UwsResponse,
    private readonly options: ExchangeOptions,
  ) {
    // First of all: uWebSockets.js ends the process when a handler returns without answer or this.
    res.onAborted(() => {
      this.#isOver = true;
      this.#letGo();
      this.#request?.abort();
    });
  }

  /** Closes without an answer (a message that could be read in two ways, or is of unknown origin). */
  refuse(reason: HttpRefusal): void {
    this.#isOver = true;
    this.options.onRefused(reason);
    this.res.close();
  }

  /** Collects the body, within bounds, and dispatches. */
  start(head: RequestHead): void {
    const receivedAt = this.options.now();
    const params = decodeParams(head);
    if (params === null) {
      this.#answer(head, problem('parameter_invalid', 'the path is not valid percent-encoding'));
    } else if (this.#isTooLarge(head.contentLength ?? 0, params)) {
      this.#answerTooLarge(head);
    } else if (head.hasBody) {
      this.#collect(head, params, (body) => this.#dispatch(head, copied(body)));
    } else {
      this.#dispatch(head, copied(empty));
    }
    function copied(body: Buffer): CopiedRequest {
      return new CopiedRequest(head, params ?? [], body, receivedAt);
    }
  }

  // One buffer that grows: a list of chunks would cost a hundred bytes for each that holds a single one.
  #collect(head: RequestHead, params: readonly string[], done: (body: Buffer) => void): void {
    let body: Buffer = empty;
    let size = 0;
    this.res.onData((chunk, isLast) => {
      if (this.#isOver || this.#isAnswered) return;
      const end = size + chunk.byteLength;
      if (this.#isTooLarge(end, params)) {
        body = empty;
        this.#answerTooLarge(head);
        return;
      }
      // The chunk is emptied when this returns, so it is copied.
      if (end > body.length) body = grown(body, size, isLast ? end : roomFor(end, head));
      body.set(new Uint8Array(chunk), size);
      size = end;
      if (!isLast) {
        if (!this.#isHeld(head, chunk.byteLength)) body = empty;
        return;
      }
      this.#letGo();
      done(body.length === size ? body : body.subarray(0, size));
    });
  }

  #isTooLarge(bytes: number, params: readonly string[]): boolean {
    const { maxBody, largerBody } = this.options;
    if (bytes <= maxBody) return false;
    this.#largerBody ??= largerBody?.(params) ?? maxBody;
    return bytes > this.#largerBody;
  }

  /** Counts a part of a body that is not complete; false when there is no room, which is answered. */
  #isHeld(head: RequestHead, bytes: number): boolean {
    const { slowBodies } = this.options;
    this.#slow ??= slowBodies.enter(() => {
      this.#answerRefused(head, 'body_late', problem('body_late', 'send the body faster'));
    });
    if (slowBodies.hold(this.#slow, bytes)) return true;
    const busy = problem('overloaded', 'too many bodies are on their way; come again');
    this.#answerRefused(head, 'body_memory', busy);
    return false;
  }

  #letGo(): void {
    if (this.#slow !== undefined) this.options.slowBodies.leave(this.#slow);
  }

  /** The rest of the body would be read as the next request, so the connection ends here. */
  #answerRefused(head: RequestHead, reason: HttpRefusal, response: HttpResponse): void {
    if (!this.#isOver) this.options.onRefused(reason);
    this.#answer(head, response, true);
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
    const detail = `at most ${this.#largerBody ?? this.options.maxBody} bytes are taken here`;
    this.#answer(head, problem('body_too_large', detail), true);
  }

  // uWebSockets.js ends a connection only once it has read all that came with this request; but while an
  // answer is due it takes no other request. So an answer that ends the connection waits for the next turn.
  #answer(head: RequestHead, response: HttpResponse, close = false): void {
    this.#isAnswered = true;
    if (head.endsConnection) setImmediate(() => this.#write(head, response, true));
    else this.#write(head, response, close || this.options.isDraining());
  }

  #write(head: RequestHead, response: HttpResponse, close: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#letGo();
    respond(this.res, response, {
      withoutBody: head.method === 'HEAD',
      correlationId: head.correlationId,
      close,
    });
  }
}

const empty = Buffer.alloc(0);

function grown(body: Buffer, size: number, room: number): Buffer {
  const larger = Buffer.allocUnsafe(room);
  body.copy(larger, 0, 0, size);
  return larger;
}

/** Room for what comes after `end` too: an announced length when it is small, else twice as much. */
function roomFor(end: number, { contentLength }: RequestHead): number {
  if (contentLength !== null && contentLength <= 64 * 1024) return Math.max(end, contentLength);
  return Math.max(2 * end, 4096);
}
