/** The WebAssembly modules, each started once a page, and the errors of their calls. */

import * as complete from '../../dist/raw/complete/mantis_web.js';
import * as kv from '../../dist/raw/kv/mantis_web.js';
import * as tables from '../../dist/raw/tables/mantis_web.js';
import type { RawBatch, RawCall, RawOperations, RawSession } from '../../dist/raw/tables/mantis_web.js';
import { MantisError, tableError } from '../errors.js';
import type { WasmSource } from './source.js';

export type { RawBatch, RawCall, RawDatabase, RawOperations, RawSession } from '../../dist/raw/tables/mantis_web.js';

/** The classes of a module. Without tables sessions lack the methods for them. */
type Exports = typeof tables;

/** A build of the store: keys and values alone, with tables, or with all that tables can do. */
export type Build = 'kv' | 'tables' | 'complete';

interface Module {
  file: string;
  exports: Exports;
  started?: Promise<unknown>;
}

const MODULES: Record<Build, Module> = {
  kv: { file: 'mantisdb.wasm', exports: kv as unknown as Exports },
  tables: { file: 'mantisdb-tables.wasm', exports: tables },
  complete: { file: 'mantisdb-complete.wasm', exports: complete as unknown as Exports },
};

/** Starts a module, from beside this script if no source is named. */
export async function startModule(build: Build, source?: WasmSource): Promise<Exports> {
  const module = MODULES[build];
  const { file, exports } = module;
  module.started ??= exports.default({ module_or_path: source ?? new URL(`./${file}`, import.meta.url) });
  try {
    await module.started;
    return exports;
  } catch (cause) {
    // A page that was offline for a moment can try again.
    delete module.started;
    throw new MantisError(
      'wasm-unavailable',
      'other',
      `${file} could not be loaded; it must be in the same directory as mantisdb.js`,
      { cause },
    );
  }
}

/** A batch for a session, of the session's own module. */
export function newBatch(session: RawSession): RawBatch {
  return new (exportsOf(session).RawBatch)();
}

/** A plugin's query for a session with tables, likewise. */
export function newCall(session: RawSession, ...query: ConstructorParameters<Exports['RawCall']>): RawCall {
  return new (exportsOf(session).RawCall)(...query);
}

/** Operations for a session with tables, likewise. */
export function newOperations(session: RawSession): RawOperations {
  return new (exportsOf(session).RawOperations)();
}

function exportsOf(session: RawSession): Exports {
  const module = Object.values(MODULES).find(({ exports }) => session instanceof exports.RawSession);
  return (module ?? MODULES.kv).exports;
}

/** Whether the session's module has tables. */
export function hasTables(session: RawSession): boolean {
  return (session as Partial<RawSession>).selectRows !== undefined;
}

/** Runs a call into a module, and turns its exceptions into `MantisError`s. */
export function call<T>(work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    throw asError(thrown);
  }
}

function asError(thrown: unknown): MantisError {
  if (thrown instanceof MantisError) return thrown;
  if (isFailure(thrown)) {
    const { code, kind, message, operation } = thrown;
    return kind === undefined ? tableError(thrown) : new MantisError(code, kind, message, { operation });
  }
  return new MantisError('internal', 'other', `the store failed: ${String(thrown)}`, { cause: thrown });
}

/** What calls throw. Errors of tables have no kind of their own. */
function isFailure(thrown: unknown): thrown is { code: string; kind?: string; message: string; operation?: number } {
  return typeof thrown === 'object' && thrown !== null && !(thrown instanceof Error) && 'code' in thrown;
}
