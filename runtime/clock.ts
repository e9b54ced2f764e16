// The one clock of the edges. Pure code gets its `now` from the fact.

/** Milliseconds since 1970. */
export type Clock = () => number;

export const systemClock: Clock = () => Date.now();

/**
 * Goes on steadily whatever is done to the machine's clock: for how long something takes, never for when
 * it was. Its zero has no meaning. A wall clock that is set back by an hour would stop a watch for an hour.
 */
export const steadyClock: Clock = () => performance.now();

/** A clock that stands still, for tests and for judging stored deliveries. */
export const pinnedClock =
  (ms: number): Clock =>
  () =>
    ms;
