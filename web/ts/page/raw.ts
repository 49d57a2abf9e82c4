/** The WebAssembly module, started once a page, and the errors of its calls. */

import start, { RawBatch, RawDatabase, RawSession } from '../../dist/raw/mantis_web.js';
import { MantisError } from '../errors.js';
import type { WasmSource } from './source.js';

export { RawBatch, RawDatabase, RawSession };

let started: Promise<unknown> | undefined;

/** Starts the module, from beside this script if no source is named. */
export async function startModule(source?: WasmSource): Promise<void> {
  started ??= start({ module_or_path: source ?? new URL('./mantisdb.wasm', import.meta.url) });
  try {
    await started;
  } catch (cause) {
    // A page that was offline for a moment can try again.
    started = undefined;
    throw new MantisError(
      'wasm-unavailable',
      'other',
      'mantisdb.wasm could not be loaded; it must be in the same directory as mantisdb.js',
      {
        cause,
      },
    );
  }
}

/** Runs a call into the module, and turns its exceptions into `MantisError`s. */
export function call<T>(work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    throw asError(thrown);
  }
}

function asError(thrown: unknown): MantisError {
  if (thrown instanceof MantisError) return thrown;
  if (isFailure(thrown)) return new MantisError(thrown.code, thrown.kind, thrown.message);
  return new MantisError('internal', 'other', `the store failed: ${String(thrown)}`, { cause: thrown });
}

function isFailure(thrown: unknown): thrown is { code: string; kind: string; message: string } {
  return (
    typeof thrown === 'object' && thrown !== null && !(thrown instanceof Error) && 'code' in thrown && 'kind' in thrown
  );
}
