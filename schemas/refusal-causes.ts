// What travels: why a delivery was refused, as far as it can be told. A closed set of causes, each with a
// sentence for people and what to set where. No cause holds a value of a request, a secret or a body.

interface Cause {
  /** What happened. `{endpoint}`, `{provider}`, `{other}` and `{offset}` are filled in by `causeWords`. */
  readonly says: string;
  /** What to set where. */
  readonly fix: string;
}

const setUrl =
  'Give the endpoint the URL as it stands in the console of {provider}: trunkline endpoint set {endpoint} --url <base>, or correct it there.';
const atTheProxy =
  'Let the proxy in front of Trunkline pass requests through as they come: no rewriting of path, query, headers or body.';
const rawBytes =
  'Whatever stands in front of Trunkline must forward the bytes of the body untouched.';
const rotate = 'trunkline endpoint rotate {endpoint} --credential <name>=<value>';

const causes = {
  // the URL that was signed is not the one we take for public
  url_scheme: {
    says: 'the signature is right for the same URL with the other scheme (http and https are exchanged)',
    fix: `${setUrl} Where TLS ends at a proxy the base begins with https://.`,
  },
  url_host_endpoint: {
    says: 'the signature is right for the base URL of the endpoint {other} of the same tenant',
    fix: setUrl,
  },
  url_of_endpoint: {
    says: 'the signature is right for the URL of the endpoint {other} of the same tenant',
    fix: 'The delivery was meant for {other} and was redirected or rewritten to this one: let {provider} call the URL it is meant for.',
  },
  url_host_installation: {
    says: 'the signature is right for the host of TRUNKLINE_PUBLIC_URL, not for that of the endpoint',
    fix: 'Take the endpoint’s own base URL away, or give it the right one: trunkline endpoint set {endpoint} --url <base>.',
  },
  url_host_received: {
    says: 'the signature is right for the host the request was sent to, not for the configured one',
    fix: setUrl,
  },
  url_host_www: {
    says: 'the signature is right for the same host with or without “www.”',
    fix: setUrl,
  },
  url_port: {
    says: 'the signature is right for the same URL with another port, or without one',
    fix: setUrl,
  },
  url_trailing_slash: {
    says: 'the signature is right for the same URL with a slash more or less at the end of its path',
    fix: `${setUrl} ${atTheProxy}`,
  },
  url_path: {
    says: 'the signature is right for another path: a proxy rewrites it on the way',
    fix: 'Give the endpoint its whole public URL, path included: trunkline endpoint set {endpoint} --url <url>.',
  },
  url_encoding: {
    says: 'the signature is right for the same URL with other percent-encoding',
    fix: atTheProxy,
  },
  url_query_missing: {
    says: 'the signature is right for the URL with a query that did not arrive here',
    fix: `A proxy or a redirect drops the query. ${atTheProxy}`,
  },
  url_query_extra: {
    says: 'the signature is right for the URL without the query, or a part of it, that arrived here',
    fix: `Something on the way adds parameters. ${atTheProxy}`,
  },
  url_query_changed: {
    says: 'the signature is right for the same query in another order or encoding',
    fix: atTheProxy,
  },
  // the credential is not the one it was signed with
  credential_retired: {
    says: 'signed with a credential of this endpoint that has ended',
    fix: `The provider still signs with the old one: finish the change at {provider}, or take it back: ${rotate}.`,
  },
  credential_of_other_endpoint: {
    says: 'signed with the credential of the endpoint {other} of the same tenant',
    fix: 'The URL of this endpoint was put where that of {other} belongs, or both are of one account: give this endpoint the same credential with trunkline endpoint rotate {endpoint}.',
  },
  credential_spoiled: {
    says: 'right but for white space, a line break or quotes around the stored credential',
    fix: `Store it without them: ${rotate}.`,
  },
  credential_encoding: {
    says: 'right if the stored credential is read in another encoding (base64, hex or plain text)',
    fix: `Store it exactly as the console of {provider} shows it: ${rotate}.`,
  },
  credential_prefix: {
    says: 'right if the prefix of the stored credential (whsec_) is there or not there',
    fix: `Store it exactly as the console of {provider} shows it, prefix included: ${rotate}.`,
  },
  credential_unusable: {
    says: 'the endpoint has no live credential that this provider’s scheme can use',
    fix: `Store one: ${rotate}. trunkline endpoint show {endpoint} names what is needed.`,
  },
  account_mismatch: {
    says: 'the signature is right, but the delivery is of another account than the one configured',
    fix: 'Point that account’s webhook at an endpoint of its own, or leave the account out of this endpoint’s credential.',
  },
  // the body is not the one that was signed
  body_json_layout: {
    says: 'right for the same JSON with other white space: it was read and written again on the way',
    fix: rawBytes,
  },
  body_json_keys: {
    says: 'right for the same JSON with its keys in another order: it was read and written again on the way',
    fix: rawBytes,
  },
  body_json_escapes: {
    says: 'right for the same JSON with other escapes: it was read and written again on the way',
    fix: rawBytes,
  },
  body_newline_end: {
    says: 'right but for a line break at the end of the body',
    fix: rawBytes,
  },
  body_line_ends: {
    says: 'right for the same body with other line ends (CRLF and LF are exchanged)',
    fix: rawBytes,
  },
  body_bom: { says: 'right but for a byte order mark before the body', fix: rawBytes },
  body_charset: {
    says: 'right for the same text in another character set (Latin-1 and UTF-8 are exchanged)',
    fix: rawBytes,
  },
  body_form_encoding: {
    says: 'right for the same form with other percent-encoding, decoded or encoded once more on the way',
    fix: rawBytes,
  },
  body_form_order: {
    says: 'right for the same fields of the form in another order',
    fix: rawBytes,
  },
  body_form_emptied: {
    says: 'right for the form with empty fields that were dropped on the way',
    fix: `${rawBytes} Empty values are signed too.`,
  },
  body_converted: {
    says: 'right for a form: it was turned into JSON on the way',
    fix: rawBytes,
  },
  body_compressed: {
    says: 'right for the unpacked body: it was compressed on the way',
    fix: 'Switch request compression off in what stands in front of Trunkline.',
  },
  body_decompressed: {
    says: 'right for the compressed body: it was unpacked on the way',
    fix: 'Switch request decompression off in what stands in front of Trunkline.',
  },
  body_changed: {
    says: 'the signature is right, but the body is not the one whose digest was signed',
    fix: rawBytes,
  },
  body_empty: {
    says: 'the body is empty: it was lost on the way, or a redirect turned the request into another one',
    fix: 'Give {provider} the final URL (no redirect), and let nothing in front of Trunkline read the body.',
  },
  body_not_bound: {
    says: 'nothing in the request binds its body to the signature',
    fix: 'The provider signs such a body through its URL or its content type: a proxy changed one of them, or the request is not of {provider}.',
  },
  form_too_wide: {
    says: 'the form has more fields than {provider} sends',
    fix: 'Not of {provider}, or fields are added on the way.',
  },
  // method and headers
  content_type_changed: {
    says: 'the signature is right for another content type than the one that arrived',
    fix: atTheProxy,
  },
  method_changed: {
    says: 'the signature is right for the other method: a redirect or a proxy exchanged GET and POST',
    fix: 'Give {provider} the final URL, so that nothing redirects.',
  },
  signature_header_missing: {
    says: 'the signature header did not arrive',
    fix: 'A proxy strips it, or signing is off at {provider}, or the request is not of {provider}.',
  },
  signature_header_renamed: {
    says: 'the signature is right, but arrived in a header of another name',
    fix: atTheProxy,
  },
  signature_header_altered: {
    says: 'the signature is right, but its header was altered on the way (white space, quotes, encoding)',
    fix: atTheProxy,
  },
  signature_repeated: {
    says: 'the signature header arrived more than once, and one of them is right',
    fix: 'Two things on the way both add it: let only one forward it.',
  },
  signature_header_malformed: {
    says: 'the signature header has not the form that {provider} sends',
    fix: 'Cut or rewritten on the way, or not of {provider}.',
  },
  timestamp_header_missing: {
    says: 'the timestamp that is signed did not arrive',
    fix: 'A proxy strips its header: let it pass.',
  },
  timestamp_header_malformed: {
    says: 'the timestamp that is signed has not the form that {provider} sends',
    fix: 'Rewritten on the way, or not of {provider}.',
  },
  other_provider: {
    says: 'this looks like a delivery of {other} at an endpoint of {provider}',
    fix: 'Put the URL of an endpoint of {other} there: trunkline endpoint list shows them, trunkline endpoint add makes one.',
  },
  // time
  signed_in_past: {
    says: 'the signature is right, but it was made {offset} ago: delivered late, sent again, or a clock is wrong',
    fix: 'Compare our clock with a time server (trunkline doctor); if it is right, the delivery was held back or repeated on the way.',
  },
  signed_in_future: {
    says: 'the signature is right, but it was made {offset} ahead of our clock',
    fix: 'Our clock is behind, or the sender’s is ahead: compare ours with a time server (trunkline doctor).',
  },
  own_clock: {
    says: 'the signature is right, and our own clock is {offset} off by what else can be seen',
    fix: 'Set this machine’s clock by a time server.',
  },
  // the other layers
  address_not_allowed: {
    says: 'the source address is in none of the endpoint’s networks',
    fix: 'Add the network: trunkline endpoint set {endpoint} --allow <cidr> (--allow provider: those {provider} publishes); behind a proxy see TRUNKLINE_TRUSTED_PROXIES.',
  },
  over_rate: {
    says: 'more deliveries than the rate of the endpoint, its address or its tenant',
    fix: 'Raise it if the traffic is yours: trunkline endpoint set {endpoint} --rate <number>.',
  },
  overloaded: {
    says: 'more deliveries at once than this node, or the tenant’s share of it, can hold',
    fix: 'Add ingest nodes, or raise TRUNKLINE_INFLIGHT_BYTES; {provider} may deliver again.',
  },
  media_type: {
    says: 'the content type is neither JSON nor a form',
    fix: 'Choose JSON or a form at {provider}, or let the proxy leave the content type alone.',
  },
  method: { says: 'the method is neither POST nor GET', fix: 'Choose POST at {provider}.' },
  body_too_large: {
    says: 'the delivery is larger than the log takes',
    fix: 'Let {provider} send less: no recordings or attachments in the body.',
  },
  not_kept: {
    says: 'the delivery was right but could not be kept: the log and the spool took nothing',
    fix: 'Look at the log, the disk and trunkline_ingest_spool_bytes; {provider} may deliver again.',
  },
  // no cause
  accepted_now: {
    says: 'it would be accepted now: the endpoint was changed meanwhile',
    fix: 'Nothing to do.',
  },
  not_examined: {
    says: 'not examined: too many refusals at once, or the request is too large to look into',
    fix: 'Look at those that were examined, or give a stored delivery to trunkline webhook check.',
  },
  unknown: {
    says: 'no change that is known to happen on the way makes the signature right: another secret, or forged',
    fix: `If it is yours: compare the credential with the console of {provider}, then ${rotate}.`,
  },
} as const satisfies Readonly<Record<string, Cause>>;

export type CauseCode = keyof typeof causes;

/** Every cause, in the order of the table. */
export const causeCodes = Object.keys(causes) as readonly CauseCode[];

/** What a cause is told with. Nothing of a request: an id of the same tenant, names, a difference of clocks. */
export interface CauseContext {
  /** The endpoint that refused; absent where none is known. */
  readonly endpoint?: string | null;
  /** The provider’s title, e.g. `Twilio`. */
  readonly provider?: string;
  /** Another endpoint of the same tenant, or another provider’s title. */
  readonly other?: string | null;
  /** Signed time minus ours, in ms. */
  readonly offsetMs?: number | null;
}

/** A duration for people: `40 s`, `7 min`, `3 h`, `2 d`. */
export function roughly(ms: number): string {
  const seconds = Math.round(Math.abs(ms) / 1000);
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

/** A cause in words: what happened and what to set where. */
export function causeWords(code: CauseCode, context: CauseContext = {}): Cause {
  const values: Readonly<Record<string, string>> = {
    endpoint: context.endpoint ?? '<endpoint>',
    provider: context.provider ?? 'the provider',
    other: context.other ?? 'another one',
    offset: roughly(context.offsetMs ?? 0),
  };
  const fill = (text: string): string =>
    text.replace(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole);
  const { says, fix } = causes[code];
  return { says: fill(says), fix: fill(fix) };
}

/** Reads a stored cause; null for one that only a newer version can have stored. */
export const parseCause = (text: string): CauseCode | null =>
  Object.hasOwn(causes, text) ? (text as CauseCode) : null;
