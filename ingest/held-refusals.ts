// Ingest, admission: refusals that are told a little later. A connection has one request at a time, so whoever
// comes again at once is slowed by the wait for the answer, and what a flood costs is bounded with it.

/** Refusals of one stretch of time; all are told together. */
interface Slot {
  readonly told: Promise<void>;
  readonly tell: () => void;
  bytes: number;
}

/** Turns a refusal waits; at 50 ms each well within what any provider waits for an answer. */
const turns = 6;

export class HeldRefusals {
  /** Closed slots, oldest first; null where nothing was refused. */
  readonly #slots: (Slot | null)[] = [];
  #open: Slot | null = null;
  #bytes = 0;

  /** `maxBytes` of requests are kept waiting at most; beyond it a refusal is told at once. */
  constructor(private readonly maxBytes: number) {}

  get bytes(): number {
    return this.#bytes;
  }

  /** Resolves when it is to be told. */
  hold(bytes: number): Promise<void> {
    if (this.#bytes + bytes > this.maxBytes) return now;
    this.#open ??= newSlot();
    this.#open.bytes += bytes;
    this.#bytes += bytes;
    return this.#open.told;
  }

  turn(): void {
    this.#slots.push(this.#open);
    this.#open = null;
    if (this.#slots.length > turns) this.#tell(this.#slots.shift() ?? null);
  }

  tellAll(): void {
    for (const slot of this.#slots.splice(0)) this.#tell(slot);
    this.#tell(this.#open);
    this.#open = null;
  }

  #tell(slot: Slot | null): void {
    if (slot === null) return;
    this.#bytes -= slot.bytes;
    slot.tell();
  }
}

const now = Promise.resolve();

function newSlot(): Slot {
  let tell: () => void = () => undefined;
  const told = new Promise<void>((resolve) => (tell = resolve));
  return { told, tell, bytes: 0 };
}
