// Headers of PROXY protocol v2 as a proxy, or somebody who plays one, would write them; made apart from the
// program's own writer.

const signature = '\r\n\r\n\0\r\nQUIT\n';

export interface HeaderParts {
  /** Version and command; default 2, PROXY. */
  readonly command?: number;
  /** Family and transport; default IPv4 over TCP. */
  readonly family?: number;
  readonly payload: Buffer;
}

export function proxyHeader({ command = 0x21, family = 0x11, payload }: HeaderParts): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(payload.length);
  const begin = Buffer.from(signature, 'latin1');
  return Buffer.concat([begin, Buffer.of(command, family), length, payload]);
}

const ports = Buffer.from('d43101bb', 'hex');

export function v4Addresses(source: string): Buffer {
  return Buffer.concat([Buffer.from(source.split('.').map(Number)), Buffer.of(10, 0, 0, 1), ports]);
}

/** `source` may have one `::` and a dotted end. */
export function v6Addresses(source: string): Buffer {
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(source);
  const hex = (high: string | undefined, low: string | undefined) =>
    (Number(high) * 256 + Number(low)).toString(16);
  const text =
    dotted === null
      ? source
      : `${dotted[1] ?? ''}${hex(dotted[2], dotted[3])}:${hex(dotted[4], dotted[5])}`;
  const [left = '', right = ''] = text.split('::');
  const words = (part: string) => part.split(':').filter((word) => word !== '');
  const gap = Array<string>(8 - words(left).length - words(right).length).fill('0');
  const all = [...words(left), ...gap, ...words(right)].map((word) => Number.parseInt(word, 16));
  const bytes = Buffer.alloc(16);
  all.forEach((word, index) => bytes.writeUInt16BE(word, index * 2));
  return Buffer.concat([bytes, Buffer.alloc(16, 1), ports]);
}
