// Ingest, why a signature failed: what the generators of this folder make. A change is one thing that is
// known to happen to a request on its way, taken back; pure, and without any judgement.

import type { EndpointId } from '../../schemas/ids.js';
import type { CauseCode } from '../../schemas/refusal-causes.js';
import type { StoredCredential } from '../providers/provider.js';

/** A value as it may have been signed, and what then happened to it. */
export interface Change<T> {
  readonly cause: CauseCode;
  readonly value: T;
}

/** A credential to try; `cause` is null for one that is live at the endpoint itself. */
export interface TriedCredential {
  readonly value: StoredCredential;
  readonly cause: CauseCode | null;
  /** The endpoint of the same tenant it belongs to, where it is another's. */
  readonly endpoint?: EndpointId;
}

/** The changes whose value was not there before, first come first kept. */
export function* distinct<T, C extends Change<T>>(
  changes: Iterable<C>,
  nameOf: (value: T) => string,
  before: T,
): Generator<C> {
  const seen = new Set([nameOf(before)]);
  for (const change of changes) {
    const name = nameOf(change.value);
    if (seen.has(name)) continue;
    seen.add(name);
    yield change;
  }
}
