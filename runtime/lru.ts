// A bounded cache: least recently used goes first, entries may age out. For keys and addresses, which
// must not pile up in memory (and must not be trusted for ever after an erasure).

/** At most `limit` entries, each for at most `ttlMs`; `now` in ms. */
export class BoundedCache<K, V> {
  readonly #entries = new Map<K, { readonly value: V; readonly until: number }>();
  /** The key put in or asked for last. */
  #youngest: K | undefined;

  constructor(
    private readonly limit: number,
    private readonly ttlMs: number,
    private readonly now: () => number,
  ) {}

  get(key: K): V | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (entry.until <= this.now()) {
      this.#entries.delete(key);
      return undefined;
    }
    if (key === this.#youngest) return entry.value;
    // A Map keeps insertion order, so putting an entry back makes it the youngest.
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    this.#youngest = key;
    return entry.value;
  }

  set(key: K, value: V): void {
    this.#entries.delete(key);
    this.#entries.set(key, { value, until: this.now() + this.ttlMs });
    this.#youngest = key;
    if (this.#entries.size <= this.limit) return;
    const oldest = this.#entries.keys().next();
    if (oldest.done !== true) this.#entries.delete(oldest.value);
  }

  delete(key: K): void {
    this.#entries.delete(key);
  }

  get size(): number {
    return this.#entries.size;
  }
}
