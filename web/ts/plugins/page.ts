import {
  type Called,
  camelCase,
  type FunctionInfo,
  type Json,
  MantisError,
  pauseAfter,
  type Plugin,
  type PluginModule,
  type PluginOptions,
  rejectCleanly,
  type Written,
} from '../client.js';
import type { PageDatabase } from '../page/database.js';
import type { RawSession } from '../page/raw.js';
import type { PageTransaction } from '../page/transaction.js';
import { makeImports, type Call, type Imports } from './imports.js';
import { fromGuest, toArguments, toCallArguments } from './json.js';
import { inPlace } from './slots.js';

/** Attempts of a call, the first included, as on a server. */
const ATTEMPTS_MAX = 9;

/** Attempts to make an instance while there is no memory for it. */
const INSTANTIATIONS_MAX = 4;
/** The pause between them is that of a call which has lost so often. */
const PAUSE_FOR_MEMORY = 5;

type Exports = Record<string, unknown>;

/** An instance, and the call that it serves. */
interface Instance {
  exports: Exports;
  imports: Imports;
  call: Call | null;
}

/** Another commit came first: the call has to run again. */
const LOST = Symbol('lost');

/** The value that a call returned, or the error. */
type Returned = { ok: unknown } | { err: unknown };

/** A component that runs in the page, over the page's store. */
export class PagePlugin implements Plugin {
  readonly #database: PageDatabase;
  readonly #module: PluginModule;
  readonly #options: PluginOptions;
  #kept: Instance | null = null;

  constructor(database: PageDatabase, module: PluginModule, options: PluginOptions) {
    this.#database = database;
    this.#module = module;
    this.#options = options;
  }

  get name(): string {
    return this.#module.name;
  }

  async call(name: string, args?: Json[] | { [parameter: string]: Json }): Promise<Json> {
    return (await this.invoke(name, args)).value;
  }

  async invoke(name: string, args: Json[] | { [parameter: string]: Json } = []): Promise<Called> {
    const info = this.#module.functions.find((candidate) => candidate.name === name);
    if (info === undefined) {
      throw new MantisError(
        'function-not-found',
        'not-found',
        `the plugin ${this.name} has no function ${JSON.stringify(name)}`,
      );
    }
    const given = toCallArguments(args);
    const values = toArguments(info.params, given);
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
      const answer = await inPlace(async () => {
        // Made before the transaction begins: from there to the commit nothing waits, so that the page cannot write in between.
        const instance = await this.#instance();
        return this.#attempt(instance, info, values);
      });
      if (answer !== LOST) return answer;
      await pauseAfter(attempt);
    }
    throw new MantisError('conflict', 'conflict', `the call lost against other commits ${ATTEMPTS_MAX} times`);
  }

  /** Runs the call once. `LOST` if another commit came first. */
  #attempt(instance: Instance, info: FunctionInfo, values: unknown[]): Called | typeof LOST {
    const database = this.#database;
    const transaction = this.#module.ownTransactions ? null : database.begin({}, this.#session());
    const session = transaction === null ? this.#session() : null;
    const call: Call = {
      target: transaction ?? {
        store: database.store,
        session: () => session as RawSession,
        wrote: () => database.wrote(),
      },
      nowMs: () => database.nowMs(),
      begin: () => database.begin({}, this.#session()),
      logLines: 0,
      conflictSeen: false,
    };
    instance.call = call;
    try {
      const returned = run(instance.exports, info, values);
      if ('err' in returned && transaction !== null && (call.conflictSeen || saysConflict(info, returned.err)))
        return LOST;
      if (this.#options.reuse) this.#kept = instance;
      if ('err' in returned) throw pluginError(info, returned.err);
      const value = info.result === null ? null : fromGuest(info.result, returned.ok);
      const written = transaction === null ? database.newest() : commit(transaction);
      return written === LOST ? LOST : { value, ...written };
    } finally {
      instance.imports.endCall();
      instance.call = null;
      transaction?.rollbackNow();
      session?.free();
    }
  }

  /** The instance of an earlier call, or a new one. An instance that crashed is never used again. */
  async #instance(): Promise<Instance> {
    const kept = this.#kept;
    this.#kept = null;
    if (kept !== null) return kept;
    const current = (): Call => {
      if (instance.call === null) throw new Error('the plugin used an import outside a call');
      return instance.call;
    };
    const log = this.#options.log ?? ((level, message) => console[level](`${this.name}: ${message}`));
    const imports = makeImports(current, log);
    const instance: Instance = { exports: {}, imports, call: null };
    instance.exports = await this.#instantiate(imports);
    return instance;
  }

  async #instantiate(imports: Imports): Promise<Exports> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#module.instantiate(imports.interfaces);
      } catch (cause) {
        if (MantisError.is(cause)) throw cause;
        const isMemory = cause instanceof RangeError;
        if (!isMemory) throw trapped(cause);
        // The memory of instances that have served their call comes back when the engine collects them.
        if (attempt === INSTANTIATIONS_MAX) {
          throw new MantisError('plugin-limit', 'other', 'the page has no memory for an instance of the plugin', {
            cause,
          });
        }
      }
      await pauseAfter(attempt + PAUSE_FOR_MEMORY);
    }
  }

  #session(): RawSession {
    const grants = this.#options.grants ?? {};
    if (grants === 'all') return this.#database.newSession();
    const granted = (access: string) => Object.keys(grants).filter((bucket) => grants[bucket] === access);
    return this.#database.sessionWith(granted('read'), granted('write'));
  }
}

rejectCleanly(PagePlugin);

/** Calls the exported function. A function that can fail throws its error as the `payload` of what it throws. */
function run(exports: Exports, info: FunctionInfo, values: unknown[]): Returned {
  const path = info.name.split('.').map(camelCase);
  const exported = path.reduce<unknown>((value, part) => (value as Exports | undefined)?.[part], exports);
  try {
    return { ok: (exported as (...values: unknown[]) => unknown)(...values) };
  } catch (thrown) {
    if (info.error !== undefined && isComponentError(thrown)) return { err: thrown.payload };
    if (MantisError.is(thrown)) throw thrown;
    throw trapped(thrown);
  }
}

function trapped(cause: unknown): MantisError {
  return new MantisError('plugin-trap', 'other', `the plugin crashed; what it wrote is undone: ${String(cause)}`, {
    cause,
  });
}

/** What a component's function throws for the error that it returns. */
function isComponentError(thrown: unknown): thrown is { payload: unknown } {
  return typeof thrown === 'object' && thrown !== null && 'payload' in thrown;
}

/** Whether the function returned the store's error for a conflict: one of its type, or one of the same shape. */
function saysConflict(info: FunctionInfo, payload: unknown): boolean {
  const type = info.error?.payload;
  if (typeof type !== 'object' || type === null || !('variant' in type)) return false;
  const conflict = type.variant.find(({ name }) => name === 'conflict')?.payload;
  if (typeof conflict !== 'object' || conflict === null || !('record' in conflict)) return false;
  const isFailure = conflict.record.map(({ name }) => name).join() === 'code,message';
  return isFailure && (payload as { tag: string }).tag === 'conflict';
}

/** Commits the transaction. `LOST` if another commit came first. */
function commit(transaction: PageTransaction): Written | typeof LOST {
  try {
    return transaction.commitNow();
  } catch (error) {
    if (MantisError.is(error) && error.kind === 'conflict') return LOST;
    throw error;
  }
}

function pluginError(info: FunctionInfo, payload: unknown): MantisError {
  const type = info.error?.payload ?? null;
  const value = type === null ? null : fromGuest(type, payload);
  const shown = typeof value === 'string' ? value : JSON.stringify(value);
  return new MantisError('plugin-error', 'other', `the plugin returned an error; what it wrote is undone: ${shown}`, {
    value,
  });
}
