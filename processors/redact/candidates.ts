// Redaction: collects what the rules found in a text and settles overlaps. In: candidates. Out: spans apart, in order.

import type { Candidate } from './types.js';

function better(a: Candidate, b: Candidate): Candidate {
  if (a.score !== b.score) return a.score > b.score ? a : b;
  return b.end - b.start > a.end - a.start ? b : a;
}

/** The two as one: what either covers is covered, the surer (then the longer) gives type and rule. */
function merge(a: Candidate, b: Candidate): Candidate {
  const start = Math.min(a.start, b.start);
  const end = Math.max(a.end, b.end);
  return { ...better(a, b), start, end };
}

/** Candidates of one text. */
export class Candidates {
  #found: Candidate[] = [];

  get isEmpty(): boolean {
    return this.#found.length === 0;
  }

  add(candidate: Candidate): void {
    if (candidate.end > candidate.start) this.#found.push(candidate);
  }

  /** True when a candidate of at least this score covers the offset. */
  covers(offset: number, score = 1): boolean {
    for (const { start, end, score: has } of this.#found) {
      if (start <= offset && offset < end && has >= score) return true;
    }
    return false;
  }

  /** The last candidate that ends at or before the offset. */
  lastBefore(offset: number): Candidate | undefined {
    let last: Candidate | undefined;
    for (const found of this.#found) {
      if (found.end <= offset && (last === undefined || found.end >= last.end)) last = found;
    }
    return last;
  }

  clear(): void {
    if (this.#found.length > 0) this.#found = [];
  }

  /** In order of the text, none overlapping another. */
  settled(): Candidate[] {
    const found = this.#found.sort((a, b) => a.start - b.start || b.end - a.end);
    const spans: Candidate[] = [];
    for (const next of found) {
      const last = spans.at(-1);
      if (last !== undefined && next.start < last.end) spans[spans.length - 1] = merge(last, next);
      else spans.push(next);
    }
    return spans;
  }
}
