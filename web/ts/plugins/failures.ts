/** Conversion of errors between the store and a plugin: `mantis:db/types.error` in the form of `jco`. */

import { MantisError } from '../client.js';

/** A case of the variant `error`, with its record `failure`. */
export interface WitError {
  tag: string;
  val: { code: string; message: string };
}

/** The kinds with a case of their own; all others are `other`. */
const CASES = new Set(['not-found', 'access-denied', 'invalid', 'limit', 'constraint', 'conflict', 'read-only']);

/** Runs an imported function. A `MantisError` becomes the function's error, anything else a trap. */
export function guarded<T>(call: { conflictSeen: boolean }, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!MantisError.is(error) || error.code === 'store-crashed') throw error;
    if (error.kind === 'conflict') call.conflictSeen = true;
    const tag = CASES.has(error.kind) ? error.kind : 'other';
    throw { tag, val: { code: error.code, message: error.message } } satisfies WitError;
  }
}
