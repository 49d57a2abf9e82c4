/** Plugins as a page sees them, wherever they run. */

import type { Written } from '../api.js';

/** A plugin that can be called. */
export interface Plugin {
  readonly name: string;
  /**
   * Calls an exported function: `submit`, or `interface.function`. Arguments are a JSON array in order, or an object by parameter
   * name; the answer is JSON too. A call is one transaction: it commits when the function returns, and is rolled back when it
   * returns an error (`plugin-error`, whose `value` is the plugin's own) or crashes (`plugin-trap`).
   */
  call(name: string, args?: Json[] | { [parameter: string]: Json }): Promise<Json>;
  /** Calls it, and tells of the call's commit as well. */
  invoke(name: string, args?: Json[] | { [parameter: string]: Json }): Promise<Called>;
}

/**
 * What a call came to. Its version is that of its commit, or of the newest one that was seen where it wrote nothing. A plugin that runs
 * its own transactions learns of each of their commits itself: here it is the newest when it returned, and none of its own is newer.
 */
export interface Called extends Written {
  /** What the function answered. */
  value: Json;
}

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** The buckets that a plugin sees. Whatever is not named is denied. */
export type Grants = 'all' | Record<string, 'read' | 'write'>;

/** How a plugin runs in the page. On a server the host's own settings hold, and these say nothing. */
export interface PluginOptions {
  /** Nothing when not given. */
  grants?: Grants;
  /** Whether an instance serves several calls. Its memory lives on then. */
  reuse?: boolean;
  /** What the plugin logs; `console` when not given. At most 100 lines a call. */
  log?: (level: 'debug' | 'info' | 'warn' | 'error', message: string) => void;
}

/** A plugin for the page: what `cargo xtask web` makes of a component. Import it as a module. */
export interface PluginModule {
  name: string;
  functions: FunctionInfo[];
  /** Whether it runs its own transactions: its calls are not wrapped in one. */
  ownTransactions: boolean;
  /** Makes an instance. The page's side provides the imports. */
  instantiate(imports: Record<string, unknown>): Promise<Record<string, unknown>>;
}

/** A function that can be called, as `GET /plugins/{name}` shows it too. */
export interface FunctionInfo {
  /** `function`, or `interface.function` for one of an exported interface. */
  name: string;
  params: Field[];
  /** What it answers: its result, or the `ok` of it. Null for nothing. */
  result: ValueType | null;
  /** Whether it answers a result: what its error carries, null inside when nothing. Absent when it can't fail. */
  error?: { payload: ValueType | null };
}

export interface Field {
  name: string;
  type: ValueType;
}

/** A plain type of WIT. */
export type ValueType =
  | 'bool'
  | 's8'
  | 'u8'
  | 's16'
  | 'u16'
  | 's32'
  | 'u32'
  | 's64'
  | 'u64'
  | 'f32'
  | 'f64'
  | 'char'
  | 'string'
  /** `list<u8>`, which JSON carries as text or base64. */
  | 'bytes'
  | { list: ValueType }
  | { record: Field[] }
  | { tuple: ValueType[] }
  | { variant: { name: string; payload: ValueType | null }[] }
  | { enum: string[] }
  | { option: ValueType }
  | { result: { ok: ValueType | null; err: ValueType | null } }
  | { flags: string[] };
