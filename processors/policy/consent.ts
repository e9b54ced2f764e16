// Policy: what a person agreed to, as a state machine, and the gate on it. In: records of consent, a contact. Out:
// whether the contact may stand on one. A record is never changed: what follows it is another record.

/** What consent is for. */
export type ConsentPurpose =
  'market_sms' | 'market_voice' | 'service' | 'research' | 'record' | 'transcribe' | 'analyse';

/** How it was given or taken. */
export type ConsentMethod = 'ivr_digit' | 'verbal' | 'web' | 'sms' | 'contract' | 'import';

/** One record of a person's word, of one tenant and one subject. */
export interface ConsentRecord {
  readonly id: string;
  readonly purpose: ConsentPurpose;
  readonly state: 'granted' | 'denied' | 'withdrawn' | 'pending';
  readonly method: ConsentMethod;
  /** Where the proof lies: a call and its offset, the hash of a page as shown. */
  readonly evidence: string;
  /** ISO 3166-1, with the region where it matters. */
  readonly region: string;
  /** The text that was shown or read, by its version. */
  readonly disclosure: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** First instant at which it no longer holds; null holds until withdrawn. */
  readonly expiresAt: number | null;
}

/** The records of a subject that say what holds, one per purpose. */
export type ConsentState = Readonly<Partial<Record<ConsentPurpose, ConsentRecord>>>;

/** What holds of a purpose at an instant. */
export type ConsentStanding = ConsentRecord['state'] | 'expired' | 'none';

/** The state after a record: the later one holds; of two at one time the one that allows less. */
export function evolveConsent(state: ConsentState, record: ConsentRecord): ConsentState {
  const before = state[record.purpose];
  const isNewer =
    before === undefined ||
    record.at > before.at ||
    (record.at === before.at && strength[record.state] >= strength[before.state]);
  return isNewer ? { ...state, [record.purpose]: record } : state;
}

const strength = { granted: 0, pending: 1, denied: 2, withdrawn: 3 } as const;

/** What holds at an instant; consent is from its own instant on, never before. */
export function consentAt(
  state: ConsentState,
  purpose: ConsentPurpose,
  at: number,
): ConsentStanding {
  const record = state[purpose];
  if (record === undefined || (record.state === 'granted' && record.at > at)) return 'none';
  const isOver = record.state === 'granted' && record.expiresAt !== null && at >= record.expiresAt;
  return isOver ? 'expired' : record.state;
}

/** Whether a contact may stand on what holds: only what was granted, where consent is needed. */
export function consentGate(
  standing: ConsentStanding,
  isRequired: boolean,
): { readonly isAllowed: boolean; readonly words: string } {
  const words = consentWords[standing];
  const refuses = standing === 'denied' || standing === 'withdrawn';
  return { isAllowed: standing === 'granted' || (!isRequired && !refuses), words };
}

const consentWords: Readonly<Record<ConsentStanding, string>> = {
  granted: 'consent was given and holds',
  denied: 'consent was refused',
  withdrawn: 'consent was withdrawn',
  pending: 'consent was asked for and not yet given',
  expired: 'consent has expired',
  none: 'there is no consent on record',
};

/** The purpose of consent that a contact needs. */
export function consentPurposeOf(
  channel: 'sms' | 'voice',
  purpose: 'marketing' | 'service' | 'research',
): ConsentPurpose {
  if (purpose !== 'marketing') return purpose;
  return channel === 'sms' ? 'market_sms' : 'market_voice';
}
