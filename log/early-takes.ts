// Which partitions a processor works on: those that the group gave it, and those of a peer that is gone before
// the group has noticed. Comes in: what the group says, and who is seen at work. Goes out: assignments.
// A mistake costs a handover, never a fact: ownership is settled by the markers alone (design 3.2).

import type { AssignmentListener } from './event-log.js';

/** Who is seen at one moment. */
export interface Sighting {
  /** Every member that is there, sorted; the same list for everybody who looks at that moment. */
  readonly members: readonly number[];
  /** Partitions that somebody else works on. */
  readonly heldByOthers: ReadonlySet<number>;
}

/** Sightings without a holder before a partition is free: one may fall into an ordinary handover. */
const freeAfter = 2;
/** Whose turn it is that does not take a free partition loses its turn after so many sightings. */
const turnLasts = 5;

/** Decides; keeps no clock and no connection. */
export class EarlyTakes implements AssignmentListener {
  readonly #assigned = new Set<number>();
  readonly #early = new Set<number>();
  /** Partitions that were seen held by others, and how often in a row they were free since. */
  readonly #free = new Map<number, number>();
  #isMember = false;

  constructor(
    private readonly listener: AssignmentListener,
    private readonly onTake: (partition: number) => void,
  ) {}

  /** What this process works on, and says so. */
  get held(): ReadonlySet<number> {
    return new Set([...this.#assigned, ...this.#early]);
  }

  assigned(partition: number): void {
    this.#assigned.add(partition);
    // Taken early already: it goes on without a second take.
    if (!this.#early.delete(partition)) this.listener.assigned(partition);
  }

  revoked(partition: number): void {
    this.#assigned.delete(partition);
    if (!this.#early.has(partition)) this.listener.revoked(partition);
  }

  /** The group has given every partition to somebody alive: what was taken early is theirs now. */
  joined(): void {
    this.#isMember = true;
    this.#giveUp([...this.#early]);
  }

  /**
   * What this process works on stays its own until somebody else is seen at it or the group says so: the
   * group is lost when one broker is, and then the partitions of all others still have their leaders.
   * Whoever is no member takes nothing: it may be the one that is cut off.
   */
  lost(): void {
    this.#isMember = false;
    for (const partition of this.#assigned) this.#early.add(partition);
  }

  /** What was seen before a connection broke says nothing about who is there now. */
  forget(): void {
    this.#free.clear();
  }

  /** Takes what a peer has left behind, and gives back what somebody works on again. */
  seen(self: number, { members, heldByOthers }: Sighting): void {
    this.#giveUp([...this.#early].filter((partition) => heldByOthers.has(partition)));
    const held = this.held;
    for (const partition of held) this.#free.delete(partition);
    for (const partition of heldByOthers) if (!held.has(partition)) this.#free.set(partition, 0);
    for (const [partition, before] of this.#free) {
      if (heldByOthers.has(partition)) continue;
      const times = before + 1;
      this.#free.set(partition, times);
      if (times < freeAfter || !this.#isMember) continue;
      const turn = Math.floor((times - freeAfter) / turnLasts);
      if (members[(partition + turn) % members.length] !== self) continue;
      this.#free.delete(partition);
      this.#early.add(partition);
      this.onTake(partition);
      this.listener.assigned(partition);
    }
  }

  #giveUp(partitions: readonly number[]): void {
    for (const partition of partitions) {
      this.#early.delete(partition);
      if (!this.#assigned.has(partition)) this.listener.revoked(partition);
    }
  }
}
