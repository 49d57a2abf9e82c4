/** Instances of the store's WebAssembly, and the errors of their calls. */

import instantiateKv from '../../dist/raw/kv/instance.js';
import instantiateTables, { type Exports } from '../../dist/raw/tables/instance.js';
import type { RawBatch, RawCall, RawOperations, RawSession } from '../../dist/raw/tables/mantis_web.js';
import { closed, MantisError, tableError, toMantisError } from '../client.js';
import { compile, type WasmSource } from '../wasm.js';

export type { RawBatch, RawCall, RawDatabase, RawOperations, RawSession } from '../../dist/raw/tables/mantis_web.js';

/** A build of the store: keys and values alone, with tables, or with all that tables can do. */
export type Build = 'kv' | 'tables' | 'complete';

interface Module {
  file: string;
  /** Each address in full, so that bundlers find it. */
  url: () => URL;
  /** Without tables sessions lack the methods for them. */
  instantiate: (module: WebAssembly.Module) => Promise<Exports>;
}

const MODULES: Record<Build, Module> = {
  kv: {
    file: 'mantisdb.wasm',
    url: () => new URL('./mantisdb.wasm', import.meta.url),
    instantiate: instantiateKv as unknown as Module['instantiate'],
  },
  tables: {
    file: 'mantisdb-tables.wasm',
    url: () => new URL('./mantisdb-tables.wasm', import.meta.url),
    instantiate: instantiateTables,
  },
  complete: {
    file: 'mantisdb-complete.wasm',
    url: () => new URL('./mantisdb-complete.wasm', import.meta.url),
    // Its exports are those of the other build with tables, which the build checks.
    instantiate: instantiateTables,
  },
};

/** An instance of a build, with a memory of its own: what goes wrong in one database harms no other. */
export class Store {
  readonly #exports: Exports;
  #failure: MantisError | null = null;
  #onCrash: () => void = () => undefined;

  private constructor(exports: Exports) {
    this.#exports = exports;
  }

  /** Starts a build, from beside this script if no source is named. */
  static async start(build: Build, source?: WasmSource): Promise<Store> {
    const { file, url, instantiate } = MODULES[build];
    const module = await compile(source ?? url(), file);
    try {
      return new Store(await instantiate(module));
    } catch (cause) {
      throw new MantisError('wasm-unavailable', 'other', `${file} could not be started: ${String(cause)}`, { cause });
    }
  }

  /** The classes of the instance. */
  get exports(): Exports {
    return this.#exports;
  }

  /** What every call says after the instance has crashed or was closed; until then null. */
  get failure(): MantisError | null {
    return this.#failure;
  }

  /** Sets what is done when the instance crashes. */
  set onCrash(work: () => void) {
    this.#onCrash = work;
  }

  /** Runs a call into the instance, and turns its exceptions into `MantisError`s. */
  call<T>(work: () => T): T {
    if (this.#failure !== null) throw this.#failure;
    try {
      return work();
    } catch (thrown) {
      throw this.#toError(thrown);
    }
  }

  /** A batch for a session. */
  newBatch(): RawBatch {
    return new this.#exports.RawBatch();
  }

  /** A plugin's query for a session with tables. */
  newCall(...query: ConstructorParameters<Exports['RawCall']>): RawCall {
    return new this.#exports.RawCall(...query);
  }

  /** Operations for a session with tables. */
  newOperations(): RawOperations {
    return new this.#exports.RawOperations();
  }

  /** Gives up the instance and its memory. */
  close(): void {
    this.#failure ??= closed();
    this.#exports.letGo();
  }

  #toError(thrown: unknown): MantisError {
    if (MantisError.is(thrown)) return thrown;
    if (isFailure(thrown)) {
      const { code, kind, message, operation } = thrown;
      return kind === undefined ? tableError(thrown) : new MantisError(code, kind, message, { operation });
    }
    // Thrown on the way in, by an argument that is not of its type.
    if (thrown instanceof TypeError) return toMantisError(thrown);
    // Anything else ended the code within the instance, which left its data as they were at that moment.
    const message = `the page's database crashed and its data is lost; open() another: ${String(thrown)}`;
    this.#failure = new MantisError('store-crashed', 'other', message, { cause: thrown });
    this.#exports.letGo();
    this.#onCrash();
    return this.#failure;
  }
}

/** Whether the session's instance has tables. */
export function hasTables(session: RawSession): boolean {
  return (session as Partial<RawSession>).selectRows !== undefined;
}

/** What calls throw. Errors of tables have no kind of their own. */
function isFailure(thrown: unknown): thrown is { code: string; kind?: string; message: string; operation?: number } {
  return typeof thrown === 'object' && thrown !== null && !(thrown instanceof Error) && 'code' in thrown;
}
