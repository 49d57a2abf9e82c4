/** What ends a request before its answer is there: signals, and time. */

import { MantisError } from '../errors.js';

export class Watch {
  /** Ends the request. Undefined where nothing does. */
  readonly signal: AbortSignal | undefined;
  readonly #given: AbortSignal | undefined;
  readonly #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #timeoutMs: number | undefined;
  #isLate = false;
  #release = (): void => undefined;

  constructor(timeoutMs: number | undefined, ...signals: (AbortSignal | undefined)[]) {
    this.#given = joined(...signals);
    this.#timeoutMs = timeoutMs;
    this.signal = this.#given;
    if (timeoutMs === undefined) return;
    const ended = new AbortController();
    const given = this.#given;
    const abort = (): void => ended.abort(given?.reason);
    given?.addEventListener('abort', abort);
    this.#release = () => given?.removeEventListener('abort', abort);
    this.#timer = setTimeout(() => {
      this.#isLate = true;
      ended.abort();
    }, timeoutMs);
    this.signal = ended.signal;
  }

  /** Throws if the request was ended. */
  check(cause?: unknown): void {
    if (this.#given?.aborted) {
      throw new MantisError('aborted', 'other', 'the call was aborted', { cause: this.#given.reason as unknown });
    }
    if (!this.#isLate) return;
    throw new MantisError('timed-out', 'other', `no answer came within ${this.#timeoutMs} ms`, { cause });
  }

  /** The request is over. */
  end(): void {
    clearTimeout(this.#timer);
    this.#release();
  }
}

/** A signal that is aborted with the first of these. */
export function joined(...signals: (AbortSignal | undefined)[]): AbortSignal | undefined {
  const [first, ...more] = signals.filter((signal) => signal !== undefined);
  if (first === undefined || more.length === 0) return first;
  // The engine's own lets go of what is no longer used.
  if (typeof AbortSignal.any === 'function') return AbortSignal.any([first, ...more]);
  const any = new AbortController();
  for (const signal of [first, ...more]) {
    if (signal.aborted) any.abort(signal.reason);
    signal.addEventListener('abort', () => any.abort(signal.reason), { once: true, signal: any.signal });
  }
  return any.signal;
}
