// Command line: newline-delimited JSON in and out, with bounded memory and the reader's pace.

import type { Readable } from 'node:stream';
import { once } from 'node:events';

const newline = 0x0a;
const lineLimit = 32 * 1024 * 1024;

function text(line: Buffer): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(line);
  } catch {
    return null;
  }
}

/**
 * The lines of a stream, split at LF alone (JSON may hold U+2028 as it is). Null for a line that is not
 * UTF-8 or longer than 32 MiB. Blank lines are left out.
 */
export async function* readLines(stream: Readable): AsyncGenerator<string | null> {
  let parts: Buffer[] = [];
  let size = 0;
  const take = (): string | null | undefined => {
    const line = size > lineLimit ? null : text(Buffer.concat(parts, size));
    parts = [];
    size = 0;
    return line?.trim() === '' ? undefined : line;
  };
  const keep = (part: Buffer): void => {
    size += part.length;
    if (size > lineLimit) parts = [];
    else parts.push(part);
  };
  for await (const chunk of stream as AsyncIterable<Buffer | string>) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    let start = 0;
    for (;;) {
      const end = bytes.indexOf(newline, start);
      if (end === -1) break;
      keep(bytes.subarray(start, end));
      const line = take();
      if (line !== undefined) yield line;
      start = end + 1;
    }
    keep(bytes.subarray(start));
  }
  const last = take();
  if (last !== undefined) yield last;
}

const batchBytes = 64 * 1024;

/** Writes values as lines, in batches, waiting where the reader is slow. */
export class LineWriter {
  #batch = '';
  constructor(readonly stream: NodeJS.WritableStream) {}

  async write(value: unknown): Promise<void> {
    this.#batch += `${JSON.stringify(value)}\n`;
    if (this.#batch.length >= batchBytes) await this.flush();
  }

  async flush(): Promise<void> {
    const batch = this.#batch;
    this.#batch = '';
    if (batch !== '' && !this.stream.write(batch)) await once(this.stream, 'drain');
  }
}
