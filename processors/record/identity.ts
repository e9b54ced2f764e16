// Station processors, pure. Comes in: an object as its provider names it. Goes out: the record's id.

import { hash } from 'node:crypto';
import type { ProviderName } from '../../schemas/facts.js';
import { recordId, type RecordId, type TenantId } from '../../schemas/ids.js';

/** An object as its provider names it; the type belongs to the name. */
export interface NamedObject {
  readonly objectType: string;
  readonly objectRef: string;
}

/** One id per object: 132 bits of a hash of tenant, provider, type and the provider's reference. */
export function recordIdOf(
  tenant: TenantId,
  provider: ProviderName,
  { objectType, objectRef }: NamedObject,
): RecordId {
  const name = `record\0${tenant}\0${provider}\0${objectType}\0${objectRef}`;
  return recordId(`rec_${hash('sha256', name, 'base64url').slice(0, 22)}`);
}
