/** The host's side of `mantis:db`: the imports of plugins, over the page's store. */

import {
  type Applied,
  type Entry,
  type Expect,
  fromBase64Url,
  MantisError,
  type Operation,
  type OperationResult,
  type PluginOptions,
  type ScanOptions,
  type SetOptions,
  type Span,
  toBase64Url,
  toBytes,
  toText,
  type Written,
} from '../client.js';
import { Bucket, type Target } from '../page/bucket.js';
import { guarded as guardedIn } from './failures.js';
import { PluginRows, type WitQuery } from './rows.js';
import type { WitValue } from './values.js';

/** As the script that `jco` makes has it: engines of before 2025 lack the symbol. */
const dispose: typeof Symbol.dispose = Symbol.dispose ?? Symbol.for('dispose');

/** Resource handles that an instance may hold at once, as on a server. */
const HANDLES_MAX = 64;
/** Transactions that an instance may have open at once. */
const TRANSACTIONS_MAX = 4;
const RANDOM_BYTES_MAX = 4_096;
const LOG_LINE_BYTES_MAX = 4_096;
const LOG_LINES_MAX = 100;
/** Bytes of a packed entry's header: two lengths and the version. */
const HEAD_BYTES = 16;

/** The context of a call. An instance that serves several calls gets a new one each time. */
export interface Call {
  target: Target;
  nowMs(): number;
  /** Opens a transaction, for plugins that run their own. */
  begin(): OpenTransaction;
  logLines: number;
  /** Whether the plugin got a conflict: if the call then fails, it runs again. */
  conflictSeen: boolean;
}

/** The imports of an instance, by interface. */
export interface Imports {
  interfaces: Record<string, unknown>;
  /** Rolls back transactions that a call left open. */
  endCall(): void;
}

/** A transaction of a plugin. */
export interface OpenTransaction extends Target {
  commitNow(): Written;
  rollbackNow(): void;
}

type WitExpect = { tag: 'anything' | 'absent' | 'present' } | { tag: 'version'; val: bigint };
type WitSpan =
  | { tag: 'all' }
  | { tag: 'prefix'; val: Uint8Array }
  | { tag: 'between'; val: [Uint8Array | undefined, Uint8Array | undefined] };
interface WitScanOptions {
  span: WitSpan;
  reverse: boolean;
  limit: number;
  cursor?: Uint8Array;
}
interface WitSetOptions {
  mediaType?: string;
  ttlMs?: bigint;
  expect: WitExpect;
}
type WitOperation =
  | { tag: 'get'; val: Uint8Array }
  | { tag: 'set'; val: [Uint8Array, Uint8Array, WitSetOptions] }
  | { tag: 'delete'; val: [Uint8Array, WitExpect] }
  | { tag: 'delete-span'; val: WitSpan }
  | { tag: 'increment'; val: [Uint8Array, bigint] }
  | { tag: 'check'; val: [Uint8Array, WitExpect] };

/** The imports of one instance. `current` is the call that it serves. */
export function makeImports(current: () => Call, log: NonNullable<PluginOptions['log']>): Imports {
  let handles = 0;
  const open = new Set<OpenTransaction>();
  const guarded = <T>(work: () => T): T => guardedIn(current(), work);

  // Looked up at each use, so that a handle that outlives its call belongs to the next one.
  const ofCall: Target = {
    get store() {
      return current().target.store;
    },
    session: () => current().target.session(),
    wrote: () => current().target.wrote(),
  };

  /** Counts a handle, unless `check` throws. */
  function opened<T extends { check(): void }>(handle: T): T {
    if (handles === HANDLES_MAX) {
      const message = `${HANDLES_MAX} handles are open, which is the limit; drop one first`;
      throw new MantisError('handles-too-many', 'limit', message);
    }
    handle.check();
    handles += 1;
    return handle;
  }

  class KvBucket {
    readonly #bucket: Bucket;

    constructor(target: Target, name: string) {
      this.#bucket = opened(new Bucket(target, name));
    }

    static open(name: string): KvBucket {
      return guarded(() => new KvBucket(ofCall, name));
    }

    get(key: Uint8Array): Uint8Array | undefined {
      return guarded(() => this.#bucket.get(key) ?? undefined);
    }

    getEntry(key: Uint8Array): unknown {
      return guarded(() => toWitEntry(this.#bucket.getEntry(key)));
    }

    getMany(keys: Uint8Array[]): (Uint8Array | undefined)[] {
      return guarded(() => this.#bucket.getMany(keys).map((value) => value ?? undefined));
    }

    set(key: Uint8Array, value: Uint8Array): Written {
      return guarded(() => this.#bucket.set(key, value));
    }

    setWith(key: Uint8Array, value: Uint8Array, options: WitSetOptions): unknown {
      return guarded(() => toWitOutcome(this.#bucket.setWith(key, value, fromWitSetOptions(options))));
    }

    delete(key: Uint8Array): unknown {
      return guarded(() => {
        const { existed, ...written } = this.#bucket.delete(key);
        return { existed, written };
      });
    }

    deleteIf(key: Uint8Array, expect: WitExpect): unknown {
      return guarded(() => toWitOutcome(this.#bucket.deleteIf(key, fromWitExpect(expect))));
    }

    increment(key: Uint8Array, by: bigint): unknown {
      return guarded(() => {
        const { number, ...written } = this.#bucket.increment(key, by);
        return { number, written };
      });
    }

    scan(options: WitScanOptions): unknown {
      return guarded(() => {
        const page = this.#bucket.scan(fromWitScanOptions(options));
        return { entries: page.entries.map(toWitEntry), cursor: toWitCursor(page.cursor) };
      });
    }

    scanKeys(options: WitScanOptions): unknown {
      return guarded(() => {
        const page = this.#bucket.scanKeys(fromWitScanOptions(options));
        return { keys: page.keys, cursor: toWitCursor(page.cursor) };
      });
    }

    scanPacked(options: WitScanOptions): unknown {
      return guarded(() => {
        const page = this.#bucket.scan(fromWitScanOptions(options));
        return { data: pack(page.entries), count: page.entries.length, cursor: toWitCursor(page.cursor) };
      });
    }

    count(span: WitSpan): bigint {
      return guarded(() => BigInt(this.#bucket.count(fromWitSpan(span))));
    }

    apply(operations: WitOperation[]): unknown {
      return guarded(() => toWitApplied(this.#bucket.apply(operations.map(fromWitOperation))));
    }

    [dispose](): void {
      handles -= 1;
    }
  }

  class Table {
    readonly #rows: PluginRows;

    constructor(target: Target, name: string) {
      this.#rows = opened(new PluginRows(target, name));
    }

    static open(name: string): Table {
      return guarded(() => new Table(ofCall, name));
    }

    get(primaryKey: WitValue[], select: string): unknown {
      return guarded(() => this.#rows.get(primaryKey, select));
    }

    select(query: WitQuery): unknown {
      return guarded(() => this.#rows.select(query));
    }

    selectPacked(query: WitQuery): unknown {
      return guarded(() => this.#rows.selectPacked(query));
    }

    count(query: WitQuery): bigint {
      return guarded(() => this.#rows.count(query));
    }

    explain(query: WitQuery): string {
      return guarded(() => this.#rows.explain(query));
    }

    insert(...insertion: Parameters<PluginRows['insert']>): unknown {
      return guarded(() => this.#rows.insert(...insertion));
    }

    updateMany(columns: string[], rows: WitValue[][]): unknown {
      return guarded(() => this.#rows.updateMany(columns, rows));
    }

    update(query: WitQuery, assign: [string, WitValue][], ifVersion: bigint | undefined): unknown {
      return guarded(() => this.#rows.update(query, assign, ifVersion));
    }

    delete(query: WitQuery, ifVersion: bigint | undefined): unknown {
      return guarded(() => this.#rows.delete(query, ifVersion));
    }

    [dispose](): void {
      handles -= 1;
    }
  }

  class Transaction {
    readonly #transaction: OpenTransaction;

    constructor() {
      if (open.size === TRANSACTIONS_MAX) {
        const message = `${TRANSACTIONS_MAX} transactions are open, which is the limit; end one first`;
        throw new MantisError('transactions-too-many', 'limit', message);
      }
      this.#transaction = current().begin();
      open.add(this.#transaction);
    }

    static begin(): Transaction {
      return guarded(() => new Transaction());
    }

    bucket(name: string): KvBucket {
      return guarded(() => new KvBucket(this.#transaction, name));
    }

    table(name: string): Table {
      return guarded(() => new Table(this.#transaction, name));
    }

    /** Takes the plugin's handle. */
    static commit(transaction: Transaction): Written {
      open.delete(transaction.#transaction);
      return guarded(() => transaction.#transaction.commitNow());
    }

    [dispose](): void {
      open.delete(this.#transaction);
      this.#transaction.rollbackNow();
    }
  }

  const system = {
    nowMs: () => BigInt(current().nowMs()),
    random(bytes: number): Uint8Array {
      if (bytes > RANDOM_BYTES_MAX) {
        const message = `the plugin asked for ${bytes} random bytes at once; the limit is ${RANDOM_BYTES_MAX}`;
        throw new MantisError('plugin-limit', 'other', message);
      }
      return crypto.getRandomValues(new Uint8Array(bytes));
    },
    log(level: Parameters<typeof log>[0], message: string): void {
      const call = current();
      call.logLines += 1;
      if (call.logLines > LOG_LINES_MAX) return;
      try {
        log(level, oneLine(message));
      } catch (error) {
        // The page's log function failed, not the plugin.
        reportError(error);
      }
    },
  };

  return {
    interfaces: {
      'mantis:db/kv': { Bucket: KvBucket },
      'mantis:db/transactions': { Transaction },
      'mantis:db/tables': { Table },
      'mantis:db/system': system,
      'mantis:db/types': {},
    },
    endCall() {
      for (const transaction of open) transaction.rollbackNow();
      open.clear();
    },
  };
}

/** The message, cut to the limit between two characters, with spaces for control characters. */
function oneLine(message: string): string {
  const bytes = toBytes(message);
  const isCut = bytes.length > LOG_LINE_BYTES_MAX;
  const kept = isCut ? `${toText(bytes.subarray(0, LOG_LINE_BYTES_MAX)).replace(/\uFFFD+$/, '')}…` : message;
  return kept.replace(/\p{Cc}/gu, ' ');
}

function fromWitExpect(expect: WitExpect): Expect {
  return expect.tag === 'version' ? { version: expect.val } : expect.tag;
}

function fromWitSpan(span: WitSpan): Span {
  switch (span.tag) {
    case 'all':
      return {};
    case 'prefix':
      return { prefix: span.val };
    case 'between': {
      const [start, end] = span.val;
      return { ...(start === undefined ? {} : { start }), ...(end === undefined ? {} : { end }) };
    }
  }
}

function fromWitScanOptions({ span, reverse, limit, cursor }: WitScanOptions): ScanOptions {
  return { ...fromWitSpan(span), reverse, limit, cursor: cursor === undefined ? null : toBase64Url(cursor) };
}

function fromWitSetOptions({ mediaType, ttlMs, expect }: WitSetOptions): SetOptions {
  return {
    ...(mediaType === undefined ? {} : { mediaType }),
    // Inexact beyond 2^53, but then also far beyond the store's limit.
    ...(ttlMs === undefined ? {} : { ttlMs: Number(ttlMs) }),
    expect: fromWitExpect(expect),
  };
}

function fromWitOperation(operation: WitOperation): Operation {
  switch (operation.tag) {
    case 'get':
      return { op: 'get', key: operation.val };
    case 'set': {
      const [key, value, options] = operation.val;
      return { op: 'set', key, value, ...fromWitSetOptions(options) };
    }
    case 'delete': {
      const [key, expect] = operation.val;
      return { op: 'delete', key, expect: fromWitExpect(expect) };
    }
    case 'delete-span':
      return { op: 'delete-span', span: fromWitSpan(operation.val) };
    case 'increment': {
      const [key, by] = operation.val;
      return { op: 'increment', key, by };
    }
    case 'check': {
      const [key, expect] = operation.val;
      return { op: 'check', key, expect: fromWitExpect(expect) };
    }
  }
}

function toWitEntry(entry: Entry | null): unknown {
  if (entry === null) return undefined;
  return {
    key: entry.key,
    value: entry.value,
    mediaType: entry.mediaType,
    version: entry.version,
    modifiedAtMs: BigInt(entry.modifiedAtMs),
    expiresAtMs: entry.expiresAtMs === null ? undefined : BigInt(entry.expiresAtMs),
  };
}

function toWitCursor(cursor: string | null): Uint8Array | undefined {
  return cursor === null ? undefined : fromBase64Url(cursor);
}

function toWitOutcome(outcome: ReturnType<Bucket['setWith']>): unknown {
  return outcome.written
    ? { tag: 'written', val: { version: outcome.version, durable: outcome.durable } }
    : { tag: 'refused', val: toWitEntry(outcome.current) };
}

function toWitResult(result: OperationResult): unknown {
  switch (result.op) {
    case 'get':
      return { tag: 'entry', val: toWitEntry(result.entry) };
    case 'delete':
    case 'delete-span':
      return { tag: 'deleted', val: BigInt(result.deleted) };
    case 'increment':
      return { tag: 'number', val: result.number };
    default:
      return { tag: 'done' };
  }
}

function toWitApplied(applied: Applied): unknown {
  if (applied.committed) {
    const { version, durable, results } = applied;
    return { tag: 'committed', val: [{ version, durable }, results.map(toWitResult)] };
  }
  const refusals = applied.refusals.map(({ index, current }) => ({ index, current: toWitEntry(current) }));
  return { tag: 'refused', val: refusals };
}

/** Entries back to back: key length u32 LE, value length u32 LE, version u64 LE, key, value. */
function pack(entries: Entry[]): Uint8Array {
  const bytes = entries.reduce((sum, { key, value }) => sum + HEAD_BYTES + key.length + value.length, 0);
  const packed = new Uint8Array(bytes);
  const view = new DataView(packed.buffer);
  let at = 0;
  for (const { key, value, version } of entries) {
    view.setUint32(at, key.length, true);
    view.setUint32(at + 4, value.length, true);
    view.setBigUint64(at + 8, version, true);
    packed.set(key, at + HEAD_BYTES);
    packed.set(value, at + HEAD_BYTES + key.length);
    at += HEAD_BYTES + key.length + value.length;
  }
  return packed;
}
