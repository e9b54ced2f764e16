// Ingest, providers: opt-out keywords as the providers themselves match them, for accounts where they do
// not say so. A whole message equal to a keyword counts; free text is the policy's business.

type OptOut = 'stop' | 'start' | 'help';

// twilio.com/docs/messaging/tutorials/advanced-opt-out, default keywords.
const keywords: ReadonlyMap<string, OptOut> = new Map([
  ...['STOP', 'STOPALL', 'UNSUBSCRIBE', 'CANCEL', 'END', 'QUIT', 'OPTOUT', 'REVOKE'].map(
    (word) => [word, 'stop'] as const,
  ),
  ...['START', 'YES', 'UNSTOP'].map((word) => [word, 'start'] as const),
  ...['HELP', 'INFO'].map((word) => [word, 'help'] as const),
]);

/** What the provider says (`STOP`, `START`, `HELP`), else what the body says. */
export function optOutOf(said: string | null, body: string | null): OptOut | null {
  return (
    keywords.get(said?.toUpperCase() ?? '') ??
    keywords.get((body ?? '').trim().toUpperCase()) ??
    null
  );
}
