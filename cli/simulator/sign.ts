// Simulator: signs what a provider would send, by the provider's own file. Comes in: a request and the
// sender's credentials. Goes out: a request that a correct receiver accepts.

import type {
  OutgoingDelivery,
  Provider,
  StoredCredential,
} from '../../ingest/providers/provider.js';
import { TrunklineError } from '../../runtime/errors.js';

/** Throws `parameter_invalid`, naming the credentials that are needed, where there is nothing to sign with. */
export function signOutgoing(
  provider: Provider,
  request: OutgoingDelivery,
  credentials: StoredCredential,
  nowMs: number,
): OutgoingDelivery {
  const signed = provider.sign(request, credentials, nowMs);
  if (signed !== null) return signed;
  const names = provider.signsWith.map((name) => `--credential ${name}=…`).join(' ');
  throw new TrunklineError(
    'parameter_invalid',
    `signing as ${provider.name} needs a credential: ${names}`,
  );
}
