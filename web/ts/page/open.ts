import type { MantisDB } from '../api.js';
import type { PluginModule } from '../plugins/api.js';
import { PageDatabase } from './database.js';
import { RawDatabase, call, startModule } from './raw.js';
import type { WasmSource } from './source.js';

export interface OpenOptions {
  /**
   * The time in milliseconds since the epoch, for tests and for replaying: `Date.now` when not given. It must not call the
   * database.
   */
  clock?: () => number;
  /** Bytes of all keys and values: `store-full` beyond. 1 GiB when not given. */
  storeBytesMax?: number;
  /** Plugins that `plugin(name)` finds. */
  plugins?: PluginModule[];
  /** Where `mantisdb.wasm` is, when it does not stand beside the script. */
  wasm?: WasmSource;
}

/** A database in the page: what this interface adds is of no use on a server. */
export interface PageMantisDB extends MantisDB {
  readonly url: null;
  /** The time by the database's clock, in milliseconds since the epoch. */
  nowMs(): number;
  /** Removes what has expired and frees what nobody can read any more. A timer does it four times a second. */
  maintain(): void;
}

/** Opens an empty database in the page's memory. Its contents end with the page. */
export async function open(options: OpenOptions = {}): Promise<PageMantisDB> {
  await startModule(options.wasm);
  const database = call(() => new RawDatabase(options.clock, options.storeBytesMax));
  return new PageDatabase(database, options.plugins ?? []);
}
