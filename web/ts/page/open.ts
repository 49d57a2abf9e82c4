import type { MantisDB } from '../api.js';
import type { PluginModule } from '../plugins/api.js';
import { PageDatabase } from './database.js';
import { RawDatabase, call, startModule } from './raw.js';
import type { WasmSource } from './source.js';

export interface OpenOptions {
  /**
   * The time in milliseconds since the epoch, for tests and replays: `Date.now` by default. It must not call the database.
   */
  clock?: () => number;
  /** The most bytes of all keys and values; writes beyond fail with `store-full`. 1 GiB by default. */
  storeBytesMax?: number;
  /** Plugins that `plugin(name)` finds. */
  plugins?: PluginModule[];
  /** The source of `mantisdb.wasm` if it is not beside the script. */
  wasm?: WasmSource;
}

/** A database in the page, with methods that a server does not need. */
export interface PageMantisDB extends MantisDB {
  readonly url: null;
  /** The time of the database's clock, in milliseconds since the epoch. */
  nowMs(): number;
  /** Removes expired keys and frees versions that no reader needs. A timer calls it four times a second. */
  maintain(): void;
}

/** Opens an empty database in the page's memory. The data is lost when the page ends. */
export async function open(options: OpenOptions = {}): Promise<PageMantisDB> {
  await startModule(options.wasm);
  const database = call(() => new RawDatabase(options.clock, options.storeBytesMax));
  return new PageDatabase(database, options.plugins ?? []);
}
