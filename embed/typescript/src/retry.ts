import type { Transaction, TransactionOptions } from './api.js';
import { MantisError, causeOf } from './errors.js';
import { pause, type Turns } from './turns.js';

/** Attempts, the first included. */
const ATTEMPTS_MAX = 8;
/** Conflicts after which an attempt waits for its turn, as on a server. */
const CONFLICTS_BEFORE_TURN = 3;
/** The longest pause after the first conflict; it doubles with each further conflict. */
const PAUSE_MS = 2;
/** The longest pause of all. */
const PAUSE_MS_MAX = 1_000;

/** What `transact` needs of a database. */
export interface Transactional {
  readonly turns: Turns;
  /** Ends waits when aborted: the next attempt is then refused. */
  readonly signal?: AbortSignal | undefined;
  /** Opens a transaction. `retryToken` is what a server gave for the attempt before. */
  attempt(options: TransactionOptions | undefined, retryToken: string | undefined): Promise<Transaction>;
}

/**
 * Runs `work` in a transaction, and again after a conflict. After three conflicts an attempt waits until those before it are done, and
 * attempts that have not lost yet wait for it, so that it loses only against what no `transact` of this database does.
 */
export async function transact<T>(
  database: Transactional,
  work: (transaction: Transaction) => Promise<T>,
  options?: TransactionOptions,
): Promise<T> {
  const { turns, signal } = database;
  let retryToken: string | undefined;
  let endTurn: (() => void) | null = null;
  try {
    for (let attempt = 1; ; attempt++) {
      if (attempt > CONFLICTS_BEFORE_TURN) endTurn ??= await turns.take(signal);
      else await turns.passed(signal);
      const transaction = await database.attempt(options, retryToken);
      try {
        const result = await work(transaction);
        await transaction.commit();
        return result;
      } catch (error) {
        // The caller gets the first error, also if the rollback cannot reach the server.
        await transaction.rollback().catch(() => undefined);
        if (!isConflict(error) || attempt === ATTEMPTS_MAX) throw error;
        retryToken = tokenOf(error);
      }
      await pauseAfter(attempt, signal);
    }
  } finally {
    endTurn?.();
  }
}

function isConflict(error: unknown): error is MantisError {
  return MantisError.is(error) && error.kind === 'conflict';
}

/** With the token of a commit's conflict a server knows which transaction comes again. */
function tokenOf(error: MantisError): string | undefined {
  const problem = causeOf(error) as { retry_token?: unknown } | undefined;
  return typeof problem?.retry_token === 'string' ? problem.retry_token : undefined;
}

/** A pause of random length, so that transactions that conflicted do not meet again. */
export function pauseAfter(attempt: number, signal?: AbortSignal): Promise<void> {
  return pause(Math.random() * Math.min(PAUSE_MS * 2 ** attempt, PAUSE_MS_MAX), signal);
}
