import type { AnyDatabase, DatabaseTypes, MantisDB, PluginModule } from '../client.js';
import { PageDatabase } from './database.js';
import { Store, type Build } from './raw.js';
import type { WasmSource } from '../wasm.js';

export interface OpenOptions {
  /**
   * The time in milliseconds since the epoch, for tests and replays: `Date.now` by default. It must not call the database.
   */
  clock?: () => number;
  /** The most bytes of all keys and values; writes beyond fail with `store-full`. 1 GiB by default. */
  storeBytesMax?: number;
  /**
   * Whether the database has tables, which loads `mantisdb-tables.wasm` instead of `mantisdb.wasm`. `'complete'` loads
   * `mantisdb-complete.wasm`, which also has regular expressions (`match`, `imatch`) and the names of time zones: without it the one
   * is `0A000`, and the other `22023`. False by default.
   */
  tables?: boolean | 'complete';
  /** Plugins that `plugin(name)` finds. */
  plugins?: PluginModule[];
  /** The source of the WebAssembly module if it is not beside the script. */
  wasm?: WasmSource;
}

/** A database in the page, with methods that a server does not need. */
export interface PageMantisDB<D extends DatabaseTypes = AnyDatabase> extends MantisDB<D> {
  readonly url: null;
  /** The time of the database's clock, in milliseconds since the epoch. */
  nowMs(): number;
  /** Removes expired keys and frees versions that no reader needs. A timer calls it four times a second. */
  maintain(): void;
}

/** Opens an empty database in the page's memory. The data is lost when the page ends. */
export async function open<D extends DatabaseTypes = AnyDatabase>(options: OpenOptions = {}): Promise<PageMantisDB<D>> {
  const build: Build = options.tables === 'complete' ? 'complete' : options.tables ? 'tables' : 'kv';
  const store = await Store.start(build, options.wasm);
  const database = store.call(() => new store.exports.RawDatabase(options.clock, options.storeBytesMax));
  return new PageDatabase(store, database, options.plugins ?? []) as unknown as PageMantisDB<D>;
}
