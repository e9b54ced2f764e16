// Redaction: addresses of the net (email, URL, IP, MAC), wallets and secrets. In: stretches of text without white space
// that hold a telling mark. Out: candidates. Each pattern is bounded, so that a stretch costs its length.

import type { Candidates } from './candidates.js';
import { kindMark, type Tokens } from './tokens.js';
import { sure, type PiiType } from './types.js';
import { isWallet } from './wallets.js';

/** Stretches longer than this are looked at in pieces that overlap by `overlap`. */
const maxStretch = 4096;
const overlap = 512;
/** Letters and digits of the shortest wallet or secret, about. */
const minLong = 16;

const emailPattern =
  /[\p{L}\p{N}._%+'&=~!#$*/?^{|}-]{1,64}@(?:[\p{L}\p{N}](?:[\p{L}\p{N}-]{0,61}[\p{L}\p{N}])?\.){1,8}(?:xn--[a-z0-9-]{2,59}|\p{L}{2,24})/giu;
const urlPattern =
  /(?:https?|ftp|wss?|sips?|postgres|postgresql|redis|rediss|mongodb|amqp|kafka|jdbc):\/{0,2}[^\s"'<>()[\]{}|\\^`]{3,}|www\.[^\s"'<>()[\]{}|\\^`]{4,}/gi;
const domainPattern =
  /(?<![\p{L}\p{N}_@.-])(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.){1,5}([a-z]{2,10})(?![\p{L}\p{N}_@-])(?:[:/?#][^\s"'<>()[\]{}|\\^`]*)?/giu;
const ipv4Pattern =
  /(?<![\p{L}\p{N}_.:-])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\p{L}\p{N}_]|\.\p{N}|-\p{N})/gu;
const ipv6Pattern =
  /(?<![\p{L}\p{N}_:.])[0-9a-f]{0,4}:[0-9a-f:.]{1,42}[0-9a-f:](?:%[a-z0-9]{1,16})?(?![\p{L}\p{N}_:])/giu;
const macPattern =
  /(?<![\p{L}\p{N}_:-])(?:[0-9a-f]{2}([:-])(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}|[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4})(?![\p{L}\p{N}_:-])/giu;
const secretPattern =
  /(?<![\p{L}\p{N}])(?:eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*|(?:sk|pk|rk|ak|tl|cep|key|whsec)_(?:(?:live|test)_)?[A-Za-z0-9_]{16,}|sk-[\w-]{20,}|AKIA[0-9A-Z]{16}|gh[pousr]_\w{20,}|xox[abpr]-[\w-]{10,}|glpat-[\w-]{16,})/gu;
const walletPattern =
  /(?<![\p{L}\p{N}])(?:0x[0-9a-f]{40}|[a-z]{2,5}1[02-9ac-hj-np-z]{25,90}|[1-9A-HJ-NP-Za-km-z]{26,35})(?![\p{L}\p{N}])/giu;

/** Domains that are usual words: bare, they need "www" or a path to be taken for a site. */
const wordDomains = new Set(
  'me it in at no be us is to so my do id name pro live email test example ie se'.split(' '),
);
const siteDomains =
  /^(?:com|org|net|edu|gov|mil|int|io|co|uk|ca|au|de|fr|es|nl|ch|dk|fi|pl|pt|br|jp|cn|ru|eu|info|biz|dev|app|ai|tv|site|online|shop|store|tech|cloud|xyz|il|za|nz|ar|cl|gr|cz|hu|ro|tr|kr|sg|hk)$/;

/** Groups of an IPv6 address; -1 where one is wrong. */
function countGroups(part: string): number {
  if (part === '') return 0;
  const groups = part.split(':');
  const tail = groups.at(-1) ?? '';
  const v4 = tail.includes('.');
  const plain = v4 ? groups.slice(0, -1) : groups;
  if (v4 && !/^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/.test(tail)) return -1;
  return plain.every((group) => /^[0-9a-f]{1,4}$/i.test(group)) ? plain.length + (v4 ? 2 : 0) : -1;
}

/** RFC 4291 text form; not "::" alone. */
function isIpv6(text: string): boolean {
  const [address = ''] = text.split('%');
  const halves = address.split('::');
  if (halves.length > 2 || address === '::') return false;
  const counts = halves.map(countGroups);
  if (counts.includes(-1)) return false;
  const total = counts.reduce((sum, count) => sum + count, 0);
  return halves.length === 2 ? total < 8 : total === 8;
}

/** Neither everybody's address nor nobody's. */
const isMac = (text: string): boolean => !/^(?:(?:ff[:-]){5}ff|(?:00[:-]){5}00)$/i.test(text);

/** A host with a dot, or what may hold a secret whatever the host. */
const hasHost = (text: string): boolean =>
  /^(?:www\.[^./]+\.[^./]|(?!www)[a-z]+:\/{0,2}[^/?#]*[^./?#]\.[^./?#])/i.test(text) ||
  /[@?]/.test(text);

/** "version 10.4.2.1", "section 1.2.3.4" is a place in a document, no address. */
const isVersion = (before: string): boolean =>
  /(?:version|\bv|section|release|firmware|build|chapter|rev|revision|clause|paragraph|oid)\W{0,3}(?:number|is|no)?\W{0,3}$/i.test(
    before,
  );

/** Prose ends behind an address: a full stop, a comma, a quote. */
const trimEnd = (text: string): string => text.replace(/[.,;:!?'"…]+$/u, '');

interface Sight {
  readonly found: Candidates;
  readonly text: string;
  readonly offset: number;
  /** A little of the text before. */
  readonly before: string;
}

interface Kind {
  readonly pattern: RegExp;
  readonly type: PiiType;
  readonly rule: string;
  readonly accepts?: (match: RegExpMatchArray) => boolean;
  trims?: boolean;
}

function isSite(match: RegExpMatchArray): boolean {
  const domain = (match[1] ?? '').toLowerCase();
  const hasPath = /[/?]/.test(match[0]);
  if (/^[\d.]+$/.test(match[0])) return false;
  if (wordDomains.has(domain)) return hasPath && match[0].length > 8;
  return siteDomains.test(domain);
}

const dotted: readonly Kind[] = [
  {
    pattern: urlPattern,
    type: 'URL',
    rule: 'url.scheme',
    trims: true,
    accepts: ([text]) => hasHost(text),
  },
  { pattern: domainPattern, type: 'URL', rule: 'url.domain', trims: true, accepts: isSite },
  { pattern: ipv4Pattern, type: 'IP_ADDRESS', rule: 'ip.v4' },
  { pattern: macPattern, type: 'MAC_ADDRESS', rule: 'mac.shape', accepts: ([text]) => isMac(text) },
  { pattern: secretPattern, type: 'SECRET', rule: 'secret.prefix' },
];
const withColon: readonly Kind[] = [
  {
    pattern: urlPattern,
    type: 'URL',
    rule: 'url.scheme',
    trims: true,
    accepts: ([text]) => hasHost(text),
  },
  { pattern: macPattern, type: 'MAC_ADDRESS', rule: 'mac.shape', accepts: ([text]) => isMac(text) },
];
const dashed: readonly Kind[] = [
  { pattern: macPattern, type: 'MAC_ADDRESS', rule: 'mac.shape', accepts: ([text]) => isMac(text) },
  { pattern: secretPattern, type: 'SECRET', rule: 'secret.prefix' },
];
const long: readonly Kind[] = [
  {
    pattern: walletPattern,
    type: 'CRYPTO',
    rule: 'crypto.checksum',
    accepts: ([text]) => isWallet(text),
  },
  { pattern: secretPattern, type: 'SECRET', rule: 'secret.prefix' },
];
const emails: readonly Kind[] = [
  { pattern: emailPattern, type: 'EMAIL_ADDRESS', rule: 'email.shape' },
];

function look({ found, text, offset, before }: Sight, kinds: readonly Kind[]): void {
  for (const { pattern, type, rule, accepts, trims } of kinds) {
    for (const match of text.matchAll(pattern)) {
      if (accepts !== undefined && !accepts(match)) continue;
      if (rule === 'ip.v4' && isVersion(before)) continue;
      const value = trims === true ? trimEnd(match[0]) : match[0];
      const start = offset + match.index;
      found.add({ start, end: start + value.length, type, rule, score: sure.checked });
    }
  }
}

function lookForIpv6({ found, text, offset }: Sight): void {
  for (const match of text.matchAll(ipv6Pattern)) {
    const value = match[0].endsWith('::') ? match[0] : match[0].replace(/[.:]+$/, '');
    if (!isIpv6(value)) continue;
    const start = offset + match.index;
    found.add({
      start,
      end: start + value.length,
      type: 'IP_ADDRESS',
      rule: 'ip.v6',
      score: sure.checked,
    });
  }
}

interface Marks {
  at: boolean;
  dot: boolean;
  dash: boolean;
  colons: number;
  longest: number;
}

function lookAt(sight: Sight, marks: Marks): void {
  if (marks.at) look(sight, emails);
  if (marks.dot) look(sight, dotted);
  if (marks.colons > 0) look(sight, withColon);
  if (marks.colons > 1) lookForIpv6(sight);
  if (marks.dash) look(sight, dashed);
  if (marks.longest >= minLong) look(sight, long);
}

function lookInPieces(
  tokens: Tokens,
  found: Candidates,
  [start, end]: readonly [number, number],
  marks: Marks,
): void {
  for (let from = start; from < end; from += maxStretch - overlap) {
    const to = Math.min(end, from + maxStretch);
    const before = tokens.text.slice(Math.max(tokens.start(0), from - 24), from);
    lookAt({ found, text: tokens.text.slice(from, to), offset: from, before }, marks);
    if (to === end) return;
  }
}

/** Finds addresses of the net in every stretch without white space that has a mark for one. */
export function findNetwork(tokens: Tokens, found: Candidates): void {
  for (let first = 0; first < tokens.count;) {
    if (!tokens.touches(first + 1) && tokens.length(first) < minLong) {
      first++;
      continue;
    }
    const marks: Marks = {
      at: false,
      dot: false,
      dash: false,
      colons: 0,
      longest: tokens.length(first),
    };
    let last = first;
    for (let i = first; ; i++) {
      last = i;
      if (!tokens.touches(i + 1)) break;
      if (tokens.kind(i) === kindMark) note(marks, tokens.mark(i));
    }
    const range = [tokens.start(first), tokens.end(last)] as const;
    if (last > first + 1) marks.longest = Math.max(marks.longest, range[1] - range[0]);
    if (last > first + 1 || marks.longest >= minLong) lookInPieces(tokens, found, range, marks);
    first = last + 1;
  }
}

function note(marks: Marks, mark: string): void {
  if (mark === '@') marks.at = true;
  else if (mark === '.') marks.dot = true;
  else if (mark === ':') marks.colons++;
  else if (mark === '-' || mark === '_') marks.dash = true;
}
