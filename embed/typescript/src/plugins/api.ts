/** The interface of plugins, in the page and on a server. */

import type { Written } from '../api.js';

/** A plugin that can be called. */
export interface Plugin {
  readonly name: string;
  /**
   * Calls an exported function: `submit`, or `interface.function`. Arguments are a JSON array in order, or an object by parameter
   * name; the result is JSON too. A call is one transaction: it commits when the function returns, and rolls back when the function
   * returns an error (`plugin-error`, whose `value` is the plugin's own) or crashes (`plugin-trap`).
   */
  call(name: string, args?: Json[] | { [parameter: string]: Json }): Promise<Json>;
  /** Calls the function, and returns the commit of the call as well. */
  invoke(name: string, args?: Json[] | { [parameter: string]: Json }): Promise<Called>;
}

/**
 * The outcome of a call. `version` is its commit, or the newest commit seen if it wrote nothing. For a plugin that runs its own
 * transactions, which gets the version of each commit itself, it is the newest commit at the time of return: none of the plugin's
 * own is newer.
 */
export interface Called extends Written {
  /** The result of the function. */
  value: Json;
}

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/**
 * The buckets and tables that a plugin may use. All others are denied. A table is `table/` and its name, in which `%`, `,`, `:`, `*`
 * and control characters are percent-encoded; `table/*` is every table.
 */
export type Grants = 'all' | Record<string, 'read' | 'write'>;

/** Options of a plugin in the page. On a server the settings of the host apply instead. */
export interface PluginOptions {
  /** None by default. */
  grants?: Grants;
  /** Whether an instance serves several calls and keeps its memory between them. */
  reuse?: boolean;
  /** Receives the plugin's log lines, at most 100 a call; `console` by default. */
  log?: (level: 'debug' | 'info' | 'warn' | 'error', message: string) => void;
}

/** A plugin for the page, made from a component by `cargo xtask web`. Import it as a module. */
export interface PluginModule {
  name: string;
  functions: FunctionInfo[];
  /** Whether it runs its own transactions: its calls are not wrapped in one. */
  ownTransactions: boolean;
  /** Makes an instance. The page's side provides the imports. */
  instantiate(imports: Record<string, unknown>): Promise<Record<string, unknown>>;
}

/** A function that can be called, as in the answer of `GET /plugins/{name}`. */
export interface FunctionInfo {
  /** `function`, or `interface.function` for one of an exported interface. */
  name: string;
  params: Field[];
  /** The type of the result, or of its `ok`. Null if there is none. */
  result: ValueType | null;
  /** The type of the error, with null inside if it carries nothing. Absent if the function can't fail. */
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
  /** `list<u8>`: text or base64 in JSON. */
  | 'bytes'
  | { list: ValueType }
  | { record: Field[] }
  | { tuple: ValueType[] }
  | { variant: { name: string; payload: ValueType | null }[] }
  | { enum: string[] }
  | { option: ValueType }
  | { result: { ok: ValueType | null; err: ValueType | null } }
  | { flags: string[] };
