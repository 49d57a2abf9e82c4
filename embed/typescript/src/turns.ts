/** A queue of those who lost too often, one of whom has its turn at a time. */

/** The longest wait for a turn: one that takes longer is no longer waited for. As on a server. */
const WAIT_MS_MAX = 2_000;
/** How long others wait for one turn to pass. */
const PASS_MS_MAX = 100;

export class Turns {
  /** Resolves when the turn that was given last has ended. */
  #last: Promise<void> = Promise.resolve();
  #held = 0;

  /** Waits for a turn. What it returns ends the turn. */
  async take(signal?: AbortSignal): Promise<() => void> {
    const before = this.#last;
    let end!: () => void;
    const mine = new Promise<void>((resolve) => (end = resolve));
    this.#last = before.then(() => mine);
    this.#held += 1;
    // Work within a turn may ask for another one: nobody waits for ever.
    await pause(WAIT_MS_MAX, signal, before);
    return () => {
      this.#held -= 1;
      end();
    };
  }

  /** Waits until nobody has a turn or waits for one, for a moment at most. */
  async passed(signal?: AbortSignal): Promise<void> {
    if (this.#held > 0) await pause(PASS_MS_MAX, signal, this.#last);
  }
}

/** Waits so many milliseconds, or until the event or the signal comes. */
export function pause(ms: number, signal?: AbortSignal, event?: Promise<void>): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done);
    void event?.then(done);
    if (signal?.aborted) done();
    function done(): void {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    }
  });
}
