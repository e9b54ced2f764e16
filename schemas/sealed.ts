// What travels: personal data that is sealed before it leaves a processor.

import type { MessageId, SubjectId, TenantId } from './ids.js';

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

/**
 * The place a sealed field stands in: `tenant/owner/field`, the associated data of its box. The number
 * of a party: owner = its subject id, field `number` (the same box for every fact that names the
 * party). Other personal values of a call: owner = the leg's reference, field `personal.<name>`; of a
 * message or a record: owner = its id, field `personal.<name>`.
 */
export const fieldPlace = (tenant: TenantId, owner: string, field: string): string =>
  `${tenant}/${owner}/${field}`;

/** The place of a message's text: owner = the sender's subject id, or the message id without one. */
export const bodyPlace = (
  tenant: TenantId,
  message: { readonly messageId: MessageId; readonly from: Party | null },
): string => fieldPlace(tenant, message.from?.subjectId ?? message.messageId, 'body');

/** The place of a delivery's content under its tenant's day key. */
export const deliveryPlace = (tenant: TenantId, deliveryId: string): string =>
  fieldPlace(tenant, deliveryId, 'delivery');
