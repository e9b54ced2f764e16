// Log lines as JSON (pino). Fields marked personal or secret in schemas/sensitivity never get out, at
// any depth; strings that look like a number, an address or a key are masked as a last net.

import pino from 'pino';
import { sensitivityOf } from '../schemas/sensitivity.js';

/**
 * `code` names the kind of line for operators and tests; `fields` holds safe values only. An error
 * goes under `error`.
 */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  child(fields: object): Logger;
}

const redacted = '[redacted]';
const maxDepth = 6;
const maxItems = 50;
const maxText = 4_000;

/**
 * What could be a person or a secret in free text. Bare digits count only in the shape of a North
 * American number, so that offsets, times and ids stay readable.
 */
const telltales: readonly (readonly [RegExp, string])[] = [
  [/\btl_live_[A-Za-z0-9_]+/g, redacted],
  [/\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?/g, redacted],
  [/\b(?:bearer|basic)\s+[A-Za-z0-9+/=._~-]{8,}/gi, redacted],
  [/\b[a-z][a-z0-9+.-]*:\/\/[^\s/@:]+:[^\s@]+@/gi, '[credentials]@'],
  [/\bsips?:[^\s"'>,;]+/gi, '[sip]'],
  [/[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+/g, '[email]'],
  [/(?:\+|%2B)[0-9][0-9 ().-]{5,18}[0-9]/gi, '[number]'],
  [
    /(?<![\w.:-])(?:1[ .-]?)?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[ .-])\d{3}[ .-]\d{4}(?![\w-])/g,
    '[number]',
  ],
  [/(?<![\w.:-])1?[2-9]\d{9}(?![\w.:-])/g, '[number]'],
];

/** Free text without what looks like a number, an address or a credential. */
export function redactText(text: string): string {
  const short = text.length > maxText ? `${text.slice(0, maxText)}…` : text;
  return telltales.reduce((safe, [pattern, shown]) => safe.replace(pattern, shown), short);
}

/** A value as it may be logged: marked fields gone, telltales masked, depth and length bounded. */
function redactValue(value: unknown, depth = 0): unknown {
  switch (typeof value) {
    case 'string':
      return redactText(value);
    case 'bigint':
      return value.toString();
    case 'function':
    case 'symbol':
      return undefined;
    case 'object':
      return value === null ? null : redactObject(value, depth);
    case 'number':
    case 'boolean':
    case 'undefined':
      return value;
  }
}

function redactObject(value: object, depth: number): unknown {
  if (depth >= maxDepth) return '[deep]';
  if (value instanceof Error) return redactError(value, depth);
  if (value instanceof Date) return value.toISOString();
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return '[bytes]';
  if (Array.isArray(value)) {
    return value.slice(0, maxItems).map((item) => redactValue(item, depth + 1));
  }
  const entries = value instanceof Map ? [...value.entries()] : Object.entries(value);
  return Object.fromEntries(
    entries.map(([name, inner]) => [
      redactText(String(name)),
      sensitivityOf(String(name)) === 'safe' ? redactValue(inner, depth + 1) : redacted,
    ]),
  );
}

/** Drivers hang rows, queries and parameters on their errors: only these five get out. */
function redactError(error: Error, depth: number): object {
  const { code } = error as { code?: unknown };
  return {
    type: error.name,
    ...(typeof code === 'string' ? { code } : {}),
    message: redactText(error.message),
    ...(error.stack === undefined ? {} : { stack: redactText(error.stack) }),
    ...(error.cause === undefined ? {} : { cause: redactValue(error.cause, depth + 1) }),
  };
}

/** Lines go to standard error by default, so that standard output stays for results. */
export function createLogger(options: {
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent';
  /** Default: standard error, so that standard output stays for results. */
  readonly destination?: NodeJS.WritableStream;
}): Logger {
  if (options.level === 'silent') return silentLogger;
  const base = pino(
    {
      level: options.level,
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }) },
    },
    // Synchronous: the last lines before an end are the ones that matter.
    options.destination ?? pino.destination({ dest: 2, sync: true }),
  );
  return wrap(base);
}

function wrap(base: pino.Logger): Logger {
  const safe = (fields: object): object => {
    // An error passed alone stands under its own name.
    const value = redactValue(fields instanceof Error ? { error: fields } : fields);
    return value !== null && typeof value === 'object' ? value : {};
  };
  return {
    debug: (fields, message) => {
      if (base.isLevelEnabled('debug')) base.debug(safe(fields), redactText(message));
    },
    info: (fields, message) => base.info(safe(fields), redactText(message)),
    warn: (fields, message) => base.warn(safe(fields), redactText(message)),
    error: (fields, message) => base.error(safe(fields), redactText(message)),
    child: (fields) => wrap(base.child(safe(fields))),
  };
}

/** Says nothing; for tests. */
export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLogger,
};
