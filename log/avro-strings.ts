// Avro's short strings, written in one pass: ids, keys and codes are most of an event, and all ASCII. avsc counts
// the bytes of a string first and then looks at each character twice. Comes in: nothing. Goes out: a faster
// `writeString` in avsc, with the same bytes (test/log/avro-strings.test.ts).

import utils from 'avsc/lib/utils.js';

/** Up to this length the count of bytes is itself one byte (zigzag, 7 bits). */
const mostShort = 63;

/** Replaces the method once; anything but short ASCII goes the way it went. */
export function writeShortStringsFast(): void {
  const { prototype } = utils.Tap;
  // eslint-disable-next-line @typescript-eslint/unbound-method -- always called on the tap at hand
  const writeAny = prototype.writeString;
  prototype.writeString = function (text) {
    const { length } = text;
    const { buf, pos } = this;
    if (length > mostShort || pos + length >= buf.length) {
      writeAny.call(this, text);
      return;
    }
    for (let i = 0; i < length; i += 1) {
      const code = text.charCodeAt(i);
      if (code > 0x7f) {
        writeAny.call(this, text);
        return;
      }
      buf[pos + 1 + i] = code;
    }
    buf[pos] = length << 1;
    this.pos = pos + 1 + length;
  };
}
