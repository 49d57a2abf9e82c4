/** The plugins of a server: what is installed, and its versions. */

import type { BytesLike } from '../api.js';
import { checkText, toBytes } from '../bytes.js';
import { invalid, rejectCleanly } from '../errors.js';
import type { Grants, Json } from '../plugins/api.js';
import { segment, type ApiRequest, type Client } from './client.js';

/** Installs plugins, and returns to earlier versions. */
export interface Plugins {
  list(): Promise<PluginInfo[]>;
  describe(name: string): Promise<PluginInfo>;
  /** Installs a component, as the next version where the name is taken. */
  put(name: string, component: BytesLike, options?: PutOptions): Promise<PluginInfo>;
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

interface JsonPlugin extends Pick<PluginInfo, 'name' | 'state' | 'source' | 'functions' | 'limits' | 'reuse'> {
  reason?: string | null;
  version?: number | null;
  revision?: string | null;
  versions?: { version: number; current: boolean; installed_at: string; component_bytes: number; sha256: string }[];
  grants: { bucket?: string; table?: string; access: 'read' | 'write' }[];
  own_transactions: boolean;
}

const PATH = '/plugins';
const COMPONENT = 'application/wasm';

export class HttpPlugins implements Plugins {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  async list(): Promise<PluginInfo[]> {
    const { plugins } = await this.#client.json<{ plugins: JsonPlugin[] }>({ method: 'GET', path: PATH });
    return plugins.map(toInfo);
  }

  async describe(name: string): Promise<PluginInfo> {
    return this.#send('GET', name);
  }

  async put(name: string, component: BytesLike, options: PutOptions = {}): Promise<PluginInfo> {
    const { grants, ifRevision, reuse, reset } = options;
    if (typeof component === 'string') throw invalid('argument-invalid', 'a component is bytes, not text');
    const query = {
      buckets: grants === undefined ? undefined : toGrants(grants),
      reuse: toText(reuse),
      reset: toText(reset),
      call_deadline_ms: toText(options.callDeadlineMs),
      memory_bytes_max: toText(options.memoryBytesMax),
      handles_max: toText(options.handlesMax),
      transfer_bytes_max: toText(options.transferBytesMax),
      log_lines_max: toText(options.logLinesMax),
    };
    const isNew = ifRevision === null ? { 'if-none-match': '*' } : {};
    const headers = { 'content-type': COMPONENT, ...isNew, ...toCondition(ifRevision ?? undefined) };
    return this.#send('PUT', name, { query, headers, body: toBytes(component) });
  }

  async rollback(name: string, { version, ifRevision }: RollbackOptions = {}): Promise<PluginInfo> {
    const query = { version: toText(version) };
    return this.#send('POST', name, { query, headers: toCondition(ifRevision) }, '/rollback');
  }

  async remove(name: string, { ifRevision }: { ifRevision?: string } = {}): Promise<void> {
    await this.#client.send({ method: 'DELETE', path: pathOf(name), headers: toCondition(ifRevision) });
  }

  async #send(
    method: ApiRequest['method'],
    name: string,
    request: Partial<ApiRequest> = {},
    step = '',
  ): Promise<PluginInfo> {
    return toInfo(await this.#client.json<JsonPlugin>({ ...request, method, path: `${pathOf(name)}${step}` }));
  }
}

rejectCleanly(HttpPlugins);

function pathOf(name: string): string {
  return `${PATH}/${segment(checkText(name))}`;
}

function toText(value: number | boolean | undefined): string | undefined {
  return value === undefined ? undefined : String(value);
}

function toCondition(revision: string | undefined): { 'if-match'?: string } {
  return revision === undefined ? {} : { 'if-match': `"${revision}"` };
}

function toGrants(grants: Grants): string {
  if (grants === 'all') return '*:write';
  return Object.entries(grants)
    .map(([name, access]) => `${checkText(name)}:${access}`)
    .join(',');
}

function toInfo(plugin: JsonPlugin): PluginInfo {
  const { name, state, source, functions, limits, reuse, grants, versions = [] } = plugin;
  const granted = grants.map(
    ({ bucket, table, access }) => [table === undefined ? String(bucket) : `table/${table}`, access] as const,
  );
  return {
    name,
    state,
    reason: plugin.reason ?? null,
    source,
    version: plugin.version ?? null,
    revision: plugin.revision ?? null,
    versions: versions.map(({ version, current, installed_at, component_bytes, sha256 }) => ({
      version,
      current,
      installedAtMs: Date.parse(installed_at),
      componentBytes: component_bytes,
      sha256,
    })),
    functions,
    grants: Object.fromEntries(granted),
    limits,
    reuse,
    ownTransactions: plugin.own_transactions,
  };
}
