/** Errors on their way between the store and a plugin: `mantis:db/types.error`, as `jco` shows it to JavaScript. */

import { MantisError } from '../errors.js';

/** A case of the variant `error`, with its record `failure`. */
export interface WitError {
  tag: string;
  val: { code: string; message: string };
}

/** The kinds that have a case of their own; the rest is `other`. */
const CASES = new Set(['not-found', 'access-denied', 'invalid', 'limit', 'constraint', 'conflict', 'read-only']);

/** Runs an imported function; what the store refuses becomes the function's error, anything else a trap. */
export function guarded<T>(call: { conflictSeen: boolean }, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof MantisError) || error.code === 'internal') throw error;
    if (error.kind === 'conflict') call.conflictSeen = true;
    const tag = CASES.has(error.kind) ? error.kind : 'other';
    throw { tag, val: { code: error.code, message: error.message } } satisfies WitError;
  }
}
