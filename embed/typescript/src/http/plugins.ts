/** The plugins of a server: what is installed, and its versions. */

import type { BytesLike } from '../api.js';
import { checkText, toBytes } from '../bytes.js';
import { invalid, rejectCleanly } from '../errors.js';
import type { Grants } from '../plugins/api.js';
import type { PluginInfo, Plugins, PutOptions, RollbackOptions } from './api.js';
import { segment, type ApiRequest, type Client } from './client.js';

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

  async put(name: string, component: Exclude<BytesLike, string>, options: PutOptions = {}): Promise<PluginInfo> {
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
