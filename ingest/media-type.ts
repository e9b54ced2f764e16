// Ingest: the media type of a request. Comes in: its Content-Type. Goes out: the type alone, in lower case
// and without parameters; empty where there is none.

const known = new Map<string, string>();
/** Senders use a handful of them; somebody who makes up new ones only empties the table. */
const maxKnown = 64;
const maxLength = 128;

/** `application/json` of `Application/JSON; charset=utf-8`. */
export function mediaTypeOf(contentType: string | undefined): string {
  if (contentType === undefined) return '';
  const before = known.get(contentType);
  if (before !== undefined) return before;
  const end = contentType.indexOf(';');
  const type = (end === -1 ? contentType : contentType.slice(0, end)).trim().toLowerCase();
  if (contentType.length <= maxLength) {
    if (known.size >= maxKnown) known.clear();
    known.set(contentType, type);
  }
  return type;
}
