// What travels beside a sealed number: its masked form for people, and the normalised form that
// subject ids are made from. Pure; both must give the same result for ever (rebuilt equals live).

/** Words that providers send in place of a withheld number. They name nobody. */
const withheld = new Set([
  'anonymous',
  'private',
  'restricted',
  'unavailable',
  'unknown',
  'withheld',
]);

/** Country calling codes of two digits (ITU-T E.164); 1 and 7 have one digit, the rest three. */
const twoDigitCodes = new Set(
  (
    '20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 ' +
    '81 82 84 86 90 91 92 93 94 95 98'
  ).split(' '),
);

const dots = '•••';
const scheme = /^(sips?|client|user|app):/;

/**
 * One spelling per subject: a number is `+` and digits (or digits alone), a SIP or client address is
 * lower-case without parameters. The channel before a number (`tel:`, `whatsapp:`, `rcs:`) is
 * dropped: the subject is the same person.
 */
export function normaliseNumber(text: string): string {
  const bare = text
    .trim()
    .toLowerCase()
    .replace(/^<(.*)>$/, '$1')
    .replace(/^(?:tel|whatsapp|messenger|rcs|sms):/, '');
  if (scheme.test(bare) || bare.includes('@')) return bare.replace(/[;?].*$/s, '');
  if (/\p{L}/u.test(bare)) return bare;
  return (/^\s*\+/.test(bare) ? '+' : '') + bare.replace(/\D/g, '');
}

/**
 * The form that may be shown to everybody, e.g. `+1 555 ••• 0142`, `sip:a•••@example.com`, `•••45`.
 * At most the country, the area of a North American number and four digits stay readable.
 */
export function maskNumber(text: string): string {
  const normal = normaliseNumber(text);
  if (withheld.has(normal)) return normal;
  const at = normal.lastIndexOf('@');
  const prefix = scheme.exec(normal)?.[0] ?? '';
  if (at >= 0) return `${prefix}${maskUser(normal.slice(prefix.length, at))}${normal.slice(at)}`;
  if (prefix !== '') return `${prefix}${maskUser(normal.slice(prefix.length))}`;
  return maskUser(normal);
}

function maskUser(user: string): string {
  if (/^\+\d+$/.test(user)) return maskInternational(user.slice(1));
  if (/^\d+$/.test(user)) return maskPlain(user);
  return user === '' ? '' : `${String.fromCodePoint(user.codePointAt(0) ?? 0)}${dots}`;
}

function maskInternational(digits: string): string {
  if (/^1\d{10}$/.test(digits)) return `+1 ${digits.slice(1, 4)} ${dots} ${digits.slice(-4)}`;
  const code = digits.slice(0, countryCodeLength(digits));
  const rest = digits.slice(code.length);
  return `+${code} ${dots}${tail(rest)}`;
}

function maskPlain(digits: string): string {
  // A short code or an extension: two digits tell it from its neighbours.
  return digits.length <= 6
    ? `${dots}${digits.length > 3 ? digits.slice(-2) : ''}`
    : `${dots}${tail(digits)}`;
}

function tail(digits: string): string {
  if (digits.length >= 8) return ` ${digits.slice(-4)}`;
  return digits.length >= 5 ? ` ${digits.slice(-2)}` : '';
}

function countryCodeLength(digits: string): number {
  if (digits.startsWith('1') || digits.startsWith('7')) return 1;
  return twoDigitCodes.has(digits.slice(0, 2)) ? 2 : 3;
}
