// Policy: who has said no, as a state machine. In: what was said or reported, by whom, over which channel. Out:
// whether a contact is suppressed and by what. Nothing here expires; only the person takes a no back.

/** A channel, or every one. */
export type ChannelScope = 'sms' | 'voice' | 'all';

/** How a refusal or its taking back came to us. */
export type SuppressionSource =
  'keyword' | 'free_text' | 'speech' | 'agent' | 'carrier' | 'import' | 'answer' | 'review';

/** What happened, of one tenant and one recipient; the key of the state holds both. */
export type SuppressionEvent =
  | {
      readonly type: 'opted_out';
      /** The event that says so; shown where a contact is stopped. */
      readonly id: string;
      /** Milliseconds since 1970. */
      readonly at: number;
      readonly source: SuppressionSource;
      /** Over which channel it came; `null` for an import or an agent's mark of all. */
      readonly over: 'sms' | 'voice' | null;
      /** The programme meant; null is all of them. */
      readonly programme: string | null;
    }
  | {
      readonly type: 'opted_in';
      readonly id: string;
      readonly at: number;
      readonly source: SuppressionSource;
      readonly over: 'sms' | 'voice';
      readonly programme: string | null;
    }
  /** A reply that may be a refusal: no marketing until a person has read it. */
  | { readonly type: 'review_wanted'; readonly id: string; readonly at: number }
  | { readonly type: 'review_done'; readonly id: string; readonly at: number };

/** A refusal that stands. */
export interface Suppression {
  readonly id: string;
  readonly since: number;
  readonly source: SuppressionSource;
  readonly channel: ChannelScope;
  readonly programme: string | null;
}

/** Of one tenant and one recipient. */
export interface SuppressionState {
  readonly standing: readonly Suppression[];
  /** The reply that waits for a reader; null if none does. */
  readonly review: string | null;
}

/** What an operator decides about scopes. */
export interface SuppressionSettings {
  /**
   * The FCC's "revoke all": one refusal ends every contact on every channel and programme. Waived until
   * 2027-01-31 (DA 26-12), so a setting.
   */
  readonly revokeAll: boolean;
}

export const noSuppression: SuppressionState = { standing: [], review: null };

/** The state after an event. An event that was applied already changes nothing. */
export function evolveSuppression(
  state: SuppressionState,
  event: SuppressionEvent,
  settings: SuppressionSettings,
): SuppressionState {
  switch (event.type) {
    case 'opted_out':
      return optOut(state, event, settings);
    case 'opted_in':
      return { ...state, standing: state.standing.flatMap((one) => lift(one, event)) };
    case 'review_wanted':
      return { ...state, review: event.id };
    case 'review_done':
      return { ...state, review: null };
  }
}

function optOut(
  state: SuppressionState,
  event: Extract<SuppressionEvent, { type: 'opted_out' }>,
  { revokeAll }: SuppressionSettings,
): SuppressionState {
  if (state.standing.some(({ id }) => id === event.id)) return state;
  const one: Suppression = {
    ...{ id: event.id, since: event.at, source: event.source },
    // A "do not call" is meant of every way; a STOP by text of texts, unless one refusal is all.
    channel: revokeAll || event.over !== 'sms' ? 'all' : 'sms',
    programme: revokeAll ? null : event.programme,
  };
  return { ...state, standing: [...state.standing, one] };
}

/**
 * START lifts what that channel may lift: a refusal of that channel, not later than it. A refusal of all channels
 * came by voice, from an agent or an import, and a keyword by text does not take it back; nor does START for one
 * programme take back a refusal of all.
 */
function lift(
  one: Suppression,
  event: Extract<SuppressionEvent, { type: 'opted_in' }>,
): Suppression[] {
  const isOfChannel =
    one.channel === event.over || (one.channel === 'all' && event.source === 'agent');
  const isOfProgramme = event.programme === null || one.programme === event.programme;
  return isOfChannel && isOfProgramme && one.since <= event.at ? [] : [one];
}

/** A contact as suppression sees it. */
export interface SuppressionQuestion {
  readonly channel: 'sms' | 'voice';
  readonly purpose: 'marketing' | 'service' | 'research';
  readonly programme: string | null;
  /** The one text that confirms this opt-out, without marketing; it alone passes. */
  readonly confirms?: string;
}

/** The refusal that stops this contact; null where none does. */
export function suppressedBy(
  state: SuppressionState,
  { channel, purpose, programme, confirms }: SuppressionQuestion,
): Suppression | { readonly id: string; readonly source: 'review' } | null {
  const standing = state.standing.find(
    (one) =>
      (one.channel === 'all' || one.channel === channel) &&
      (one.programme === null || programme === null || one.programme === programme) &&
      !(channel === 'sms' && purpose === 'service' && one.id === confirms),
  );
  if (standing !== undefined) return standing;
  const waits = state.review !== null && purpose !== 'service';
  return waits ? { id: state.review, source: 'review' } : null;
}

/** A carrier's refusal to deliver that says that the person opted out. */
const optOutErrors: Readonly<Record<string, readonly string[]>> = {
  twilio: ['21610'],
  telnyx: ['40300'],
};

/** Whether a provider's error code is an opt-out we have not heard of ourselves. */
export const isOptOutError = (provider: string, code: string): boolean =>
  Object.hasOwn(optOutErrors, provider) && (optOutErrors[provider]?.includes(code) ?? false);

/** The opt-out of a carrier's error: the same as the person's own STOP by text. */
export function optOutOfError(
  provider: string,
  code: string,
  fact: { readonly id: string; readonly at: number },
): SuppressionEvent | null {
  if (!isOptOutError(provider, code)) return null;
  return { type: 'opted_out', ...fact, source: 'carrier', over: 'sms', programme: null };
}
