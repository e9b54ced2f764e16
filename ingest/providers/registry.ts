// Ingest, providers: every provider by name, and the two things ingest asks of the one a delivery is from:
// its facts and its answer.

import type { ProviderName } from '../../schemas/facts.js';
import type { MappedDelivery, VerifiedDelivery } from '../../schemas/stages.js';
import { bytesId, notUnderstood, sourceOf } from './fact-base.js';
import type { Acknowledgement, Provider } from './provider.js';
import { telnyx } from './telnyx.js';
import { twilio } from './twilio.js';

/** The closed set; a new provider adds its file and a line here. */
export const providers: Readonly<Record<ProviderName, Provider>> = { twilio, telnyx };

/**
 * The facts of a verified delivery, at least one. Never throws: what a mapping cannot read, or fails
 * on, becomes a fact that says so, without any value of the content.
 */
export function mapDelivery(delivery: VerifiedDelivery): MappedDelivery {
  const { map, mappingVersion } = providers[delivery.provider];
  try {
    return { facts: map(delivery), mappingVersion };
  } catch {
    const externalId = ['failed', bytesId(delivery.raw.body), bytesId(delivery.url)];
    const reason = 'the mapping failed on this content';
    return { facts: [notUnderstood(sourceOf(delivery), { reason, externalId })], mappingVersion };
  }
}

/** The 2xx in the provider's form: empty TwiML where Twilio waits for instructions, else 204. */
export function acknowledgement(delivery: VerifiedDelivery): Acknowledgement {
  return providers[delivery.provider].acknowledge(delivery);
}
