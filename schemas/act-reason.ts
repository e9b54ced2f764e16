// What travels: an operator's reason, in events for ever and shown to auditors. Comes in: words. Goes out: what
// is wrong with them, if anything.

/** Longest reason, in UTF-16 units. */
export const maxReason = 500;

/**
 * Why these words cannot be a reason; null when they can. They are never erased, so nothing that looks like a
 * number or an address may stand in them; a ticket or a change says more anyway.
 */
export function reasonFault(text: string): string | null {
  const words = text.trim();
  if (words.length < 3) return 'must say why, in at least 3 letters';
  if (words.length > maxReason) return `must have at most ${maxReason} letters`;
  if (/\p{Cc}/u.test(words)) return 'must be one line';
  if (words.includes('@')) return 'holds what looks like an address; name a ticket instead';
  const digits = words.match(/\+?\d(?:[\s().-]?\d){6,}/);
  return digits === null ? null : 'holds what looks like a number; name a ticket instead';
}
