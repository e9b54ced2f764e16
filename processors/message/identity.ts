// Station processors, pure. Comes in: a provider's reference of a message. Goes out: its id.

import { hash } from 'node:crypto';
import type { ProviderName } from '../../schemas/facts.js';
import { messageId, type MessageId, type TenantId } from '../../schemas/ids.js';

/** One id per message: 132 bits of a hash of tenant, provider and the provider's reference. */
export const messageIdOf = (
  tenant: TenantId,
  provider: ProviderName,
  messageRef: string,
): MessageId =>
  messageId(
    `msg_${hash('sha256', `message\0${tenant}\0${provider}\0${messageRef}`, 'base64url').slice(0, 22)}`,
  );
