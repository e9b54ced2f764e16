// Chance that can be had again: numbers by seed and purpose. Each purpose has a stream of its own, so that
// a fault that is left out of a schedule leaves all other choices as they were.

/** Uniform numbers from 0 to 1, the same for the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** The stream of one purpose. */
export function streamOf(seed: number, purpose: string): () => number {
  let hash = 0x811c9dc5;
  for (const char of `${seed}/${purpose}`) {
    hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193);
  }
  return seededRandom(hash);
}

/** The number of one place of a stream, whatever was asked before. */
export function numberAt(seed: number, purpose: number, index: number): number {
  let t = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(index + 1, 0xc2b2ae35);
  t = Math.imul(t ^ (t >>> 15) ^ Math.imul(purpose + 1, 0x27d4eb2f), 0x2c1b3c6d);
  t = Math.imul(t ^ (t >>> 12), 0x297a2d39);
  return ((t ^ (t >>> 15)) >>> 0) / 4_294_967_296;
}

/** An entry of a table of weights, by a number from 0 to 1. */
export function weighted<K extends string>(
  weights: Readonly<Record<K, number>>,
  random: number,
): K | undefined {
  const entries = Object.entries<number>(weights) as [K, number][];
  let left = random * entries.reduce((sum, [, weight]) => sum + weight, 0);
  return entries.find(([, weight]) => (left -= weight) < 0)?.[0];
}
