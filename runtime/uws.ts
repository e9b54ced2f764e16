// uWebSockets.js, loaded in one place: the official package if the user installed it, else one of the
// npm builds for this Node (design section 11). Only the parts that are used are typed.

import { TrunklineError, toError } from './errors.js';

export interface UwsResponse {
  onAborted(handler: () => void): UwsResponse;
  onData(handler: (chunk: ArrayBuffer, isLast: boolean) => void): UwsResponse;
  onWritable(handler: (offset: number) => boolean): UwsResponse;
  cork(work: () => void): UwsResponse;
  writeStatus(status: string): UwsResponse;
  writeHeader(name: string, value: string): UwsResponse;
  end(body?: string | Uint8Array, closeConnection?: boolean): UwsResponse;
  endWithoutBody(): UwsResponse;
  tryEnd(body: Uint8Array, total: number): [ok: boolean, done: boolean];
  close(): UwsResponse;
  getRemoteAddress(): ArrayBuffer;
  getProxiedRemoteAddress?(): ArrayBuffer;
  upgrade(data: object, ...handshake: [string, string, string, unknown]): void;
}

export interface UwsRequest {
  getMethod(): string;
  getUrl(): string;
  getQuery(): string | undefined;
  getParameter(index: number): string | undefined;
  forEach(visit: (name: string, value: string) => void): void;
}

export interface UwsSocket<Data> {
  send(message: string, isBinary: boolean): number;
  getBufferedAmount(): number;
  subscribe(topic: string): boolean;
  unsubscribe(topic: string): boolean;
  cork(work: () => void): unknown;
  end(code: number, reason: string): void;
  getUserData(): Data;
}

export interface UwsBehavior<Data> {
  readonly compression: number;
  readonly maxPayloadLength: number;
  readonly maxBackpressure: number;
  readonly closeOnBackpressureLimit: boolean;
  readonly idleTimeout: number;
  readonly sendPingsAutomatically: boolean;
  upgrade(res: UwsResponse, req: UwsRequest, context: unknown): void;
  open(ws: UwsSocket<Data>): void;
  message(ws: UwsSocket<Data>, message: ArrayBuffer, isBinary: boolean): void;
  drain(ws: UwsSocket<Data>): void;
  dropped(ws: UwsSocket<Data>): void;
  close(ws: UwsSocket<Data>, code: number): void;
}

export type UwsHandler = (res: UwsResponse, req: UwsRequest) => void;
export type UwsMethod = 'get' | 'head' | 'post' | 'put' | 'patch' | 'del' | 'options' | 'any';

export type UwsApp = Record<UwsMethod, (pattern: string, handler: UwsHandler) => unknown> & {
  ws<Data>(pattern: string, behavior: UwsBehavior<Data>): unknown;
  publish(topic: string, message: string, isBinary: boolean): boolean;
  listen(host: string, port: number, options: number, done: (token: unknown) => void): unknown;
  listen_unix(done: (token: unknown) => void, path: string): unknown;
  /** Called with 1 for each connection and with -1 for each that ends before an upgrade. */
  filter(visit: (res: UwsResponse, count: number) => void): unknown;
  close(): unknown;
};

export interface Uws {
  App(): UwsApp;
  readonly LIBUS_LISTEN_EXCLUSIVE_PORT: number;
  readonly DISABLED: number;
  us_listen_socket_close(token: unknown): void;
  us_socket_local_port(token: unknown): number;
}

export interface LoadedUws {
  readonly uws: Uws;
  /** The package that loaded. */
  readonly from: string;
}

const candidates = ['uWebSockets.js', 'uws-current', 'uws-node20', 'uws-pack'] as const;

/** A JWT in a header easily passes the 4 KiB that uWebSockets.js takes by default. */
const maxHeaderBytes = 16_384;

let loaded: Promise<LoadedUws> | undefined;

/** The first build that loads here; throws `uws_missing` with what to install when none does. */
export function loadUws(): Promise<LoadedUws> {
  loaded ??= load();
  return loaded;
}

async function load(): Promise<LoadedUws> {
  // The native part reads this from the environment while it loads: there is no other way to set it.
  // eslint-disable-next-line no-restricted-syntax
  process.env['UWS_HTTP_MAX_HEADERS_SIZE'] ??= String(maxHeaderBytes);
  const causes: unknown[] = [];
  for (const name of candidates) {
    try {
      const uws = (await import(name)) as Uws;
      if (typeof uws.App === 'function') return { uws, from: name };
    } catch (cause) {
      causes.push(cause);
    }
  }
  throw new TrunklineError('uws_missing', missingDetail(causes), {
    cause: new AggregateError(causes),
  });
}

function missingDetail(causes: readonly unknown[]): string {
  const here = `Node ${process.versions.node} on ${process.platform}-${process.arch}`;
  const major = Number(process.versions.node.split('.')[0]);
  const nothing = `no build of uWebSockets.js loads with ${here}`;
  // Seen with the builds for Node 24 and 26 on Debian 12; those for 20 and 22 need less.
  if (causes.some((cause) => /GLIBC_\d/.test(toError(cause).message))) {
    return `${nothing}: its C library is too old for them; use Node 22 here, or a newer system (glibc 2.38: Debian 13, Ubuntu 24.04)`;
  }
  const install =
    major <= 22
      ? 'npm install uws-pack@20.0.8'
      : 'npm install uNetworking/uWebSockets.js#v20.69.0 (from GitHub)';
  return `${nothing}; run: ${install}`;
}
