// The twin of Redis's scripts for worlds without Redis: the same steps on maps. hot-store.test.ts holds the
// two together on a real server. Rules can be taken away, to show that each of them is needed.

import type {
  HotMove,
  HotOutcome,
  HotPlace,
  HotRow,
  HotRows,
  HotStore,
} from '../../log/hot-store.js';
import { offset, type Offset } from '../../schemas/ids.js';

/** How the tier is kept; the default is the design's. The letters are those of log-protocol F11. */
export interface HotRules {
  /** `apply` writes only from the mark it stands at; else it begins anew. (A15c: writes all the same) */
  readonly holeBeginsAnew: boolean;
  /** `apply` leaves a mark at or beyond its own alone. (A15, A15b: `write` or `max`) */
  readonly slowWriter: 'nothing' | 'write' | 'max';
  /** `fill` compares its snapshot's mark. (A14, A14b) */
  readonly fillComparesMarks: boolean;
  /** A lost head makes its rows unreachable. (A15e) */
  readonly randomGeneration: boolean;
  /** `apply` is one step; or the mark is written first and the rows some time later. (A15f) */
  readonly oneStep: boolean;
  /** Each row has a version of its own and nothing else is compared. (A15d) */
  readonly versionPerRow: boolean;
}

export const soundTier: HotRules = {
  holeBeginsAnew: true,
  slowWriter: 'nothing',
  fillComparesMarks: true,
  randomGeneration: true,
  oneStep: true,
  versionPerRow: false,
};

interface Kept {
  readonly state: string;
  readonly leadsTo: string;
  /** The mark it was written at. */
  readonly at: number;
}

interface Head {
  generation: string;
  mark: number;
}

const headOf = ({ partition, lineage }: HotPlace): string => `${partition} ${lineage}`;

export class HotTwin implements HotStore {
  #heads = new Map<string, Head>();
  /** By head, generation and name. */
  #rows = new Map<string, Kept>();
  #generations = 0;

  constructor(
    private readonly rules: HotRules = soundTier,
    /** Runs something at some later time. */
    private readonly later: (run: () => void) => void = (run) => run(),
  ) {}

  read(place: HotPlace, names: readonly string[]): Promise<HotRows | null> {
    const head = this.#heads.get(headOf(place));
    if (head === undefined) return Promise.resolve(null);
    const states = new Map<string, string>();
    const behind = new Map<string, string>();
    for (const name of names) {
      const row = this.#row(place, head, name);
      if (row === undefined) continue;
      if (row.leadsTo !== '') {
        const call = this.#row(place, head, row.leadsTo);
        if (call === undefined) continue;
        behind.set(row.leadsTo, call.state);
      }
      states.set(name, row.state);
    }
    return Promise.resolve({
      mark: offset(head.mark),
      states: new Map([...states, ...behind]),
    });
  }

  apply(place: HotPlace, { from, to, rows }: HotMove): Promise<HotOutcome> {
    const head = this.#heads.get(headOf(place));
    const { slowWriter, holeBeginsAnew } = this.rules;
    if (this.rules.versionPerRow) return this.#each(place, to, rows);
    if (head !== undefined && head.mark >= to && slowWriter === 'nothing') {
      return Promise.resolve('past');
    }
    const goesOn = head !== undefined && (head.mark === from || !holeBeginsAnew);
    const isSlow = head !== undefined && head.mark >= to;
    if (goesOn || isSlow) {
      head.mark = slowWriter === 'max' ? Math.max(head.mark, to) : to;
      if (this.rules.oneStep) this.#write(place, head, to, rows);
      else this.later(() => this.#write(place, head, to, rows));
      return Promise.resolve('written');
    }
    this.#write(place, this.#begin(place, to), to, rows);
    return Promise.resolve('begun');
  }

  fill(place: HotPlace, at: Offset, rows: readonly HotRow[]): Promise<HotOutcome> {
    const head = this.#heads.get(headOf(place));
    if (this.rules.versionPerRow) return this.#each(place, at, rows);
    if (head !== undefined && head.mark > at && this.rules.fillComparesMarks) {
      return Promise.resolve('past');
    }
    this.#write(place, head ?? this.#begin(place, at), at, rows);
    return Promise.resolve(head === undefined ? 'begun' : 'written');
  }

  onReady(listener: () => void): void {
    listener();
  }

  reconnect(): void {}

  close(): void {}

  /** The server restarts empty, or FLUSHALL. */
  flush(): void {
    this.#heads = new Map();
    this.#rows = new Map();
  }

  /** Keys that maxmemory may evict, or that time takes. */
  keys(): readonly string[] {
    return [...this.#heads.keys(), ...this.#rows.keys()];
  }

  drop(key: string): void {
    this.#heads.delete(key);
    this.#rows.delete(key);
  }

  /** What a snapshot of the server holds; it may be restored much later. */
  save(): () => void {
    const heads = new Map([...this.#heads].map(([key, head]) => [key, { ...head }]));
    const rows = new Map(this.#rows);
    return () => {
      this.#heads = new Map([...heads].map(([key, head]) => [key, { ...head }]));
      this.#rows = new Map(rows);
    };
  }

  #row(place: HotPlace, { generation }: Head, name: string): Kept | undefined {
    return this.#rows.get(this.#key(place, generation, name));
  }

  #key(place: HotPlace, generation: string, name: string): string {
    return `${headOf(place)} ${generation} ${name}`;
  }

  #begin(place: HotPlace, mark: number): Head {
    this.#generations += 1;
    const generation = this.rules.randomGeneration ? `g${this.#generations}` : 'g';
    const head = { generation, mark };
    this.#heads.set(headOf(place), head);
    return head;
  }

  #write(place: HotPlace, { generation }: Head, at: number, rows: readonly HotRow[]): void {
    for (const { name, state, leadsTo } of rows) {
      this.#rows.set(this.#key(place, generation, name), { state, leadsTo, at });
    }
  }

  /** A15d: rows newer than what is there are written, and the mark is the highest. */
  #each(place: HotPlace, at: number, rows: readonly HotRow[]): Promise<HotOutcome> {
    const head = this.#heads.get(headOf(place)) ?? this.#begin(place, at);
    head.mark = Math.max(head.mark, at);
    for (const row of rows) {
      const known = this.#row(place, head, row.name);
      if (known === undefined || known.at <= at) this.#write(place, head, at, [row]);
    }
    return Promise.resolve('written');
  }
}
