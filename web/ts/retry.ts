import type { MantisDB, Transaction, TransactionOptions } from './api.js';
import { MantisError } from './errors.js';

/** How often work is begun, the first time included. */
const ATTEMPTS_MAX = 8;
/** The longest pause after the first conflict; it doubles with each further one. */
const PAUSE_MS = 2;

/** Runs `work` in a transaction; again after a conflict. */
export async function transact<T>(
  database: Pick<MantisDB, 'transaction'>,
  work: (transaction: Transaction) => Promise<T>,
  options?: TransactionOptions,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const transaction = await database.transaction(options);
    try {
      const result = await work(transaction);
      await transaction.commit();
      return result;
    } catch (error) {
      // The error that matters is the one at hand, also when the server can't be told any more.
      await transaction.rollback().catch(() => undefined);
      if (!isConflict(error) || attempt === ATTEMPTS_MAX) throw error;
    }
    await pauseAfter(attempt);
  }
}

function isConflict(error: unknown): boolean {
  return error instanceof MantisError && error.kind === 'conflict';
}

/** A pause of random length, so that those who met do not meet again. */
export function pauseAfter(attempt: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.random() * PAUSE_MS * 2 ** attempt));
}
