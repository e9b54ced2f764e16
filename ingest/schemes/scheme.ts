// Ingest, verification: what every scheme of this folder takes and gives. A scheme is pure: bytes, a
// secret and a clock reading in, a verdict out. No verdict holds a value of the request or a secret.

/** A request as its provider signed it. */
export interface SignedRequest {
  readonly method: 'GET' | 'POST';
  /** The public URL with its query, exactly as the provider called it. */
  readonly url: string;
  /** Lower-case names; a repeated header is joined with `, `. */
  readonly headers: ReadonlyMap<string, string>;
  /** Bytes as received; nothing was parsed. */
  readonly body: Buffer;
}

/** Which layer of design section 4 refused. */
export type VerifyLayer = 'signature' | 'timestamp';

const refusalCodes = {
  provider_unknown: 'this version has no such provider',
  credentials_invalid: 'no usable credential for this provider',
  signature_missing: 'the signature header is missing or empty',
  signature_repeated: 'the signature header was sent more than once',
  signature_malformed: 'the signature header has not the form this provider sends',
  signature_mismatch: 'the signature does not match these bytes, this URL and this secret',
  algorithm_refused: 'the token is signed by another algorithm than this provider uses',
  issuer_mismatch: 'the token was issued by another than this provider',
  form_too_wide: 'more form fields than this provider sends',
  body_not_signed: 'nothing in this request binds its body to the signature',
  body_digest_mismatch: 'the body is not the one whose digest was signed',
  nonce_missing: 'the header of the nonce, which is signed too, is missing or empty',
  message_id_missing: 'the header of the message id, which is signed too, is missing or empty',
  account_mismatch: 'signed, but by another account than the one configured',
  timestamp_missing: 'the signed time is missing or empty',
  timestamp_malformed: 'the signed time is not a whole number in the unit this provider sends',
  timestamp_stale: 'signed too long ago',
  timestamp_future: 'signed too far in the future',
} as const;

export type RefusalCode = keyof typeof refusalCodes;

export interface Refusal {
  readonly ok: false;
  readonly layer: VerifyLayer;
  readonly code: RefusalCode;
  /** When it claims to have been signed, in ms since 1970; absent where nothing says so. */
  readonly signedAtMs?: number;
  /** For people; never a value of the request, never a secret. */
  readonly detail: string;
}

export interface Accepted {
  readonly ok: true;
  /** The signed time in ms since 1970; absent where the provider signs none. */
  readonly signedAtMs?: number;
  /** The id of the message that was signed along with it, the same over retries; absent where there is none. */
  readonly messageId?: string;
}

export type Verdict = Accepted | Refusal;

export const accepted: Verdict = { ok: true };

/** A refusal with the words of the table; the layer follows from the code. */
export function refuse(code: RefusalCode): Refusal {
  const layer = code.startsWith('timestamp_') ? 'timestamp' : 'signature';
  return { ok: false, layer, code, detail: refusalCodes[code] };
}

/**
 * The one value of a signature header, or why there is none. No signature here holds a comma, so a
 * comma means that the header came more than once (joined by the receiver).
 */
export function signatureHeader(request: SignedRequest, name: string): string | Refusal {
  const value = request.headers.get(name);
  if (value === undefined || value === '') return refuse('signature_missing');
  return value.includes(',') ? refuse('signature_repeated') : value;
}
