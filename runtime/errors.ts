// One table of error codes: what each means, whether a retry can help, and its HTTP status.
// Everything thrown on purpose is a TrunklineError; everything else is normalised by `toError`.

interface CodeRow {
  readonly status: number;
  readonly retryable: boolean;
  readonly title: string;
}

const rows = {
  config_invalid: { status: 500, retryable: false, title: 'The configuration is not valid' },
  data_dir_in_use: { status: 500, retryable: false, title: 'The data directory is in use' },
  port_in_use: { status: 500, retryable: false, title: 'The port is in use' },
  uws_missing: { status: 500, retryable: false, title: 'uWebSockets.js does not load here' },
  service_unreachable: { status: 503, retryable: true, title: 'A service cannot be reached' },
  migration_failed: { status: 500, retryable: false, title: 'A migration failed' },
  topic_settings: { status: 500, retryable: false, title: 'A topic has other settings' },
  schema_incompatible: { status: 500, retryable: false, title: 'A schema is not compatible' },
  schema_unknown: { status: 500, retryable: false, title: 'A schema is not known' },
  value_unreadable: { status: 500, retryable: false, title: 'A value of the log cannot be read' },
  batch_too_large: { status: 413, retryable: false, title: 'A batch is too large' },
  append_unknown: { status: 503, retryable: true, title: 'The outcome of an append is unknown' },
  log_position: { status: 500, retryable: false, title: 'A log position is outside the log' },
  log_loss: { status: 500, retryable: false, title: 'Records of the log are missing' },
  record_invalid: { status: 500, retryable: false, title: 'A record of the log cannot be read' },
  store_behind: { status: 503, retryable: true, title: 'The store is behind what was evicted' },
  hot_tier_answer: { status: 503, retryable: true, title: 'The hot tier answered nonsense' },
  state_version: { status: 500, retryable: false, title: 'Stored states are of other rules' },
  mark_mismatch: { status: 500, retryable: false, title: 'A mark is not where it was left' },
  dead_letter_closed: { status: 409, retryable: false, title: 'That dead letter is closed' },
  rebuild_running: { status: 409, retryable: true, title: 'A rebuild is under way' },
  read_model_differs: {
    status: 409,
    retryable: false,
    title: 'A read model is not what the log says',
  },
  projection_stopped: { status: 500, retryable: false, title: 'A projection cannot go on' },
  key_missing: { status: 500, retryable: false, title: 'A key is missing' },
  unseal_failed: { status: 500, retryable: false, title: 'A sealed value does not open' },
  endpoint_unknown: { status: 404, retryable: false, title: 'No such endpoint' },
  endpoint_test: { status: 500, retryable: false, title: 'An endpoint did not take its test' },
  provider_unknown: { status: 400, retryable: false, title: 'No such provider' },
  not_found: { status: 404, retryable: false, title: 'Not found' },
  method_not_allowed: { status: 405, retryable: false, title: 'Method not allowed' },
  upgrade_required: { status: 426, retryable: false, title: 'A WebSocket is needed here' },
  rate_limited: { status: 429, retryable: true, title: 'Too many requests' },
  address_refused: { status: 403, retryable: false, title: 'Refused' },
  signature_refused: { status: 403, retryable: false, title: 'Refused' },
  timestamp_refused: { status: 403, retryable: false, title: 'Refused' },
  body_too_large: { status: 413, retryable: false, title: 'The body is too large' },
  body_late: { status: 408, retryable: true, title: 'The body came too slowly' },
  media_type: { status: 415, retryable: false, title: 'The content type is not supported' },
  overloaded: { status: 503, retryable: true, title: 'Too busy now' },
  spool_full: { status: 503, retryable: true, title: 'Not accepted now' },
  draining: { status: 503, retryable: true, title: 'Shutting down' },
  unauthenticated: { status: 401, retryable: false, title: 'Authentication is needed' },
  forbidden: { status: 403, retryable: false, title: 'Not allowed' },
  parameter_invalid: { status: 400, retryable: false, title: 'A parameter is not valid' },
  cursor_invalid: { status: 400, retryable: false, title: 'The cursor is not valid here' },
  body_invalid: { status: 400, retryable: false, title: 'The body is not valid' },
  too_old: { status: 410, retryable: false, title: 'Those events are no longer kept here' },
  epoch_changed: { status: 410, retryable: false, title: 'The log has another epoch' },
  token_expired: { status: 401, retryable: false, title: 'The token has expired' },
  frame_invalid: { status: 400, retryable: false, title: 'The frame cannot be read' },
  frame_unknown: { status: 400, retryable: false, title: 'No such frame type' },
  frame_too_large: { status: 413, retryable: false, title: 'The frame is too large' },
  topic_unknown: { status: 404, retryable: false, title: 'No such topic' },
  filter_invalid: { status: 400, retryable: false, title: 'The filter is not valid' },
  subscription_exists: { status: 409, retryable: false, title: 'That subscription id is in use' },
  subscription_unknown: { status: 404, retryable: false, title: 'No such subscription' },
  subscription_limit: { status: 429, retryable: false, title: 'Too many subscriptions' },
  not_yet: { status: 503, retryable: true, title: 'That position is not reached yet' },
  internal: { status: 500, retryable: false, title: 'Internal error' },
} as const satisfies Record<string, CodeRow>;

export type ErrorCode = keyof typeof rows;
export const errorCodes: Readonly<Record<ErrorCode, CodeRow>> = rows;

/** An error with a code of the table. The detail holds no personal data and no secret. */
export class TrunklineError extends Error {
  override readonly name = 'TrunklineError';
  constructor(
    readonly code: ErrorCode,
    detail: string,
    options?: ErrorOptions,
  ) {
    super(detail, options);
  }
  get retryable(): boolean {
    return errorCodes[this.code].retryable;
  }
  get status(): number {
    return errorCodes[this.code].status;
  }
}

/** Whatever was thrown, as an Error; the original is the cause when it was none. */
export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown), { cause: thrown });
}

/** True for the rejection of an aborted signal, the normal end of `run(signal)`. */
export function isAbort(thrown: unknown): boolean {
  return thrown instanceof Error && (thrown.name === 'AbortError' || thrown.name === 'Stopped');
}
