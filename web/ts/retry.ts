import type { MantisDB, Transaction, TransactionOptions } from './api.js';
import { MantisError } from './errors.js';

/** Attempts, the first included. */
const ATTEMPTS_MAX = 8;
/** The longest pause after the first conflict; it doubles with each further conflict. */
const PAUSE_MS = 2;

/** Runs `work` in a transaction, and again after a conflict. */
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
      // The caller gets the first error, also if the rollback cannot reach the server.
      await transaction.rollback().catch(() => undefined);
      if (!isConflict(error) || attempt === ATTEMPTS_MAX) throw error;
    }
    await pauseAfter(attempt);
  }
}

function isConflict(error: unknown): boolean {
  return error instanceof MantisError && error.kind === 'conflict';
}

/** A pause of random length, so that transactions that conflicted do not meet again. */
export function pauseAfter(attempt: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.random() * PAUSE_MS * 2 ** attempt));
}
