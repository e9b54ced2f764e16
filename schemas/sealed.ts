// What travels: personal data that is sealed before it leaves a processor.

import type { SubjectId } from './ids.js';

/**
 * AES-256-GCM ciphertext of one personal field, under the data key of one subject. The associated
 * data is the place it stands in (tenant, subject, field), so a box cannot be moved elsewhere.
 * All parts base64url except the key id.
 */
export interface Sealed {
  readonly keyId: string;
  readonly nonce: string;
  readonly ciphertext: string;
  readonly tag: string;
}

/** One end of a call or message as everything downstream of a processor sees it. */
export interface Party {
  readonly subjectId: SubjectId;
  /** For people to read, e.g. `+1 555 ••• 0142`; made by the processor. */
  readonly masked: string;
  readonly number: Sealed;
}
