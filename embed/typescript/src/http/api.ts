/** What only a database on a server has. */

import type { BytesLike, MantisDB } from '../api.js';
import type { Grants, Json } from '../plugins/api.js';
import type { AnyDatabase, DatabaseTypes } from '../tables/api.js';
import type { CallOptions } from './options.js';

/** A database on a server. */
export interface HttpMantisDB<D extends DatabaseTypes = AnyDatabase> extends MantisDB<D> {
  readonly url: string;
  /** The plugins of the server; `plugin(name)` calls one. */
  readonly plugins: Plugins;
  /**
   * The same database, whose calls, and those of its buckets, tables, transactions and plugins, have these options besides: either
   * signal ends them, headers are added, a time-out replaces the other. Closing one closes both.
   */
  with(options: CallOptions): HttpMantisDB<D>;
}

/** Installs plugins, and returns to earlier versions. */
export interface Plugins {
  list(): Promise<PluginInfo[]>;
  describe(name: string): Promise<PluginInfo>;
  /** Installs a component, as the next version where the name is taken. */
  put(name: string, component: Exclude<BytesLike, string>, options?: PutOptions): Promise<PluginInfo>;
  /** Returns to a version, by default to the one before the current one. */
  rollback(name: string, options?: RollbackOptions): Promise<PluginInfo>;
  /** Removes a plugin with all its versions. */
  remove(name: string, options?: { ifRevision?: string }): Promise<void>;
}

/** What a plugin may do. What an update does not name stays as it was, unless `reset` is true. */
export interface PutOptions {
  /** The buckets and tables (`table/name`) that it may use. */
  grants?: Grants;
  /** Whether an instance serves several calls and keeps its memory between them. */
  reuse?: boolean;
  callDeadlineMs?: number;
  memoryBytesMax?: number;
  handlesMax?: number;
  transferBytesMax?: number;
  logLinesMax?: number;
  /** Begins with no grants and the default limits, as a new plugin does. */
  reset?: boolean;
  /** The revision that is replaced, or null if the plugin is to be new: otherwise `precondition-failed`. */
  ifRevision?: string | null;
}

export interface RollbackOptions {
  version?: number;
  /** The revision that is left; otherwise `precondition-failed`. */
  ifRevision?: string;
}

/** A plugin as the server describes it. */
export interface PluginInfo {
  name: string;
  state: 'ready' | 'starting' | 'broken';
  /** Why it is broken. */
  reason: string | null;
  source: 'kept' | 'directory' | 'program';
  /** The current version; null for a plugin that is not kept. */
  version: number | null;
  /** Changes with every installation and rollback; null for a plugin that is not kept. */
  revision: string | null;
  /** The versions that are kept, the newest first. */
  versions: PluginVersion[];
  /** The functions that can be called; their types as the server names them. */
  functions: { name: string; params: { name: string; type: Json }[]; result?: Json; error?: Json }[];
  /** By bucket, or `table/` and the name of a table. */
  grants: Record<string, 'read' | 'write'>;
  /** As the server names them: `call_deadline_ms`, .. */
  limits: Record<string, number>;
  reuse: boolean;
  /** Whether it runs its own transactions: its calls are not wrapped in one. */
  ownTransactions: boolean;
}

export interface PluginVersion {
  version: number;
  current: boolean;
  /** Milliseconds since the epoch. */
  installedAtMs: number;
  componentBytes: number;
  sha256: string;
}
