// Ingest, providers: why a leg failed, from SIP response codes (RFC 3261 section 21, RFC 8197, RFC 8688).
// The provider's raw code is kept beside the cause.

import type { FailureCause } from '../../schemas/facts.js';

const bySipCode: Readonly<Record<string, FailureCause>> = {
  '403': 'rejected',
  '404': 'invalid_number',
  '408': 'no_answer',
  '410': 'invalid_number',
  '480': 'no_answer',
  '484': 'invalid_number',
  '486': 'busy',
  '487': 'canceled',
  '600': 'busy',
  '603': 'rejected',
  '604': 'invalid_number',
  '607': 'rejected',
  '608': 'rejected',
};

/** The cause a SIP code tells; null when the code tells none. 5xx is the network. */
export function causeOfSipCode(code: string | null): FailureCause | null {
  if (code === null || !/^[3-6]\d\d$/.test(code)) return null;
  return bySipCode[code] ?? (code.startsWith('5') ? 'network' : null);
}
