// Log lines as JSON (pino). Fields marked personal or secret in schemas/sensitivity never get out.

/** `code` names the kind of line for operators and tests; `fields` holds safe values only. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  child(fields: object): Logger;
}

export declare function createLogger(options: {
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent';
  /** Default: standard error, so that standard output stays for results. */
  readonly destination?: NodeJS.WritableStream;
}): Logger;
export declare const silentLogger: Logger;
