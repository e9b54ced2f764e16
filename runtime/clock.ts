// The one clock of the edges. Pure code gets its `now` from the fact.

/** Milliseconds since 1970. */
export type Clock = () => number;

export const systemClock: Clock = () => Date.now();

/** A clock that stands still, for tests and for judging stored deliveries. */
export const pinnedClock =
  (ms: number): Clock =>
  () =>
    ms;
