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
  async take(): Promise<() => void> {
    const before = this.#last;
    let end!: () => void;
    const mine = new Promise<void>((resolve) => (end = resolve));
    this.#last = before.then(() => mine);
    this.#held += 1;
    // Work within a turn may ask for another one: nobody waits for ever.
    await within(before, WAIT_MS_MAX);
    return () => {
      this.#held -= 1;
      end();
    };
  }

  /** Waits until nobody has a turn or waits for one, for a moment at most. */
  async passed(): Promise<void> {
    if (this.#held > 0) await within(this.#last, PASS_MS_MAX);
  }
}

function within(event: Promise<void>, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    void event.then(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
