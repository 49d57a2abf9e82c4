// Does the steps of scenarios with the TypeScript interface, in a page as in Node: its two implementations take the same steps.

import { operationAcross, toldBatch, toldEvent } from './across.mjs';
import {
  argument,
  batchOperation,
  bytes,
  expect,
  inOrder,
  integer,
  keyPart,
  row,
  setOptions,
  span,
  told,
  toldApplied,
  toldBytes,
  toldChange,
  toldChanged,
  toldCommit,
  toldEntry,
  toldKeys,
  toldOutcome,
} from './data.mjs';

/** A feed that brings nothing for so long, after what is awaited of it, has come to its end. */
const QUIET_MS = 50;
/** An awaited change that has not come after so long is lost. */
const LOST_MS = 20_000;

export class Player {
  #database;
  #transactions = new Map();
  #cursors = new Map();

  constructor(database) {
    this.#database = database;
  }

  /** The line that the step adds to the transcript. */
  async play(step) {
    try {
      return await this.#run(step, step.operation);
    } catch (error) {
      if (error?.name !== 'MantisError') throw error;
      const { code, message, operation } = error;
      const at = operation === undefined ? {} : { operation };
      const prefix = operation === undefined ? '' : `operation ${operation}: `;
      if (!message.startsWith(prefix)) throw error;
      // Errors of tables have messages that are the same everywhere.
      const isOfTables = /^(PGRST\d+|[0-9A-Z]{5}|precondition-failed)$/.test(code);
      return { error: code, ...(isOfTables ? { message: message.slice(prefix.length) } : {}), ...at };
    }
  }

  async #run(step, operation) {
    switch (operation.op) {
      case 'begin':
        this.#transactions.set(step.in, await this.#database.transaction());
        return 'begun';
      case 'commit':
      case 'commit-again':
        return toldCommit('committed', await this.#transactions.get(step.in).commit());
      case 'rollback':
        await this.#transactions.get(step.in).rollback();
        return 'rolled back';
      case 'buckets':
        return {
          buckets: (await this.#database.buckets()).map(({ name, keys }) => [name, keys]),
        };
      case 'drop-bucket':
        return toldKeys(await this.#database.dropBucket(step.bucket));
      case 'changes':
        return this.#changes(step, operation);
      case 'row-changes':
        return this.#rowChanges(step, operation);
      case 'batch':
        return toldBatch(operation.ops, await this.#within(step).batch(operation.ops.map(operationAcross)));
      case 'create-table':
        return {
          created: (await this.#database.createTable(operation.table, operation.schema)).isNew,
        };
      case 'alter-table':
        await this.#database.alterTable(operation.table, operation.changes);
        return 'altered';
      case 'drop-table':
        await this.#database.dropTable(operation.table);
        return 'dropped';
      case 'describe-table':
        return { table: await this.#database.describeTable(operation.table) };
      case 'tables':
        return {
          tables: (await this.#database.tables()).map(({ name }) => name),
        };
      default: {
        const within = this.#within(step);
        if (operation.table !== undefined) return this.#onTable(operation, within.table(operation.table));
        return this.#onBucket(step, operation, within.kv(step.bucket));
      }
    }
  }

  /** The transaction that the step belongs to, or the database. */
  #within(step) {
    return step.in === null ? this.#database : this.#transactions.get(step.in);
  }

  async #onBucket(step, operation, kv) {
    const key = operation.key === undefined ? undefined : bytes(operation.key);
    switch (operation.op) {
      case 'get':
        return { value: toldBytes(await kv.get(key)) };
      case 'get-entry':
        return { entry: toldEntry(await kv.getEntry(key)) };
      case 'get-many':
        return {
          values: (await kv.getMany(operation.keys.map(bytes))).map(toldBytes),
        };
      case 'set':
        return toldCommit('written', await kv.set(key, bytes(operation.value)));
      case 'set-with':
        return toldOutcome(await kv.setWith(key, bytes(operation.value), setOptions(operation)));
      case 'delete': {
        const deleted = await kv.delete(key);
        return { deleted: deleted.existed, ...toldCommit('version', deleted) };
      }
      case 'delete-if':
        return toldOutcome(await kv.deleteIf(key, expect(operation.if)));
      case 'increment': {
        const counted = await kv.increment(key, integer(operation.by));
        return {
          number: told(counted.number),
          ...toldCommit('version', counted),
        };
      }
      case 'scan': {
        const page = await kv.scan(this.#scanOptions(operation));
        const entries = page.entries.map((entry) => [
          toldBytes(entry.key),
          toldBytes(entry.value),
          told(entry.version),
        ]);
        return { entries, more: this.#keep(step, page.cursor) };
      }
      case 'scan-keys': {
        const page = await kv.scanKeys(this.#scanOptions(operation));
        return {
          keys: page.keys.map(toldBytes),
          more: this.#keep(step, page.cursor),
        };
      }
      case 'count':
        return { count: await kv.count(span(operation.span)) };
      case 'delete-span':
        return toldKeys(await kv.deleteSpan(span(operation.span)));
      case 'apply':
        return toldApplied(await kv.apply(operation.ops.map(batchOperation)));
      default:
        throw new Error(`there is no ${operation.op}`);
    }
  }

  async #onTable(operation, table) {
    const { key, columns, rows, set, returning, if_version: version, select } = operation;
    const options = {
      ...(returning === null || returning === undefined ? {} : { returning: returning || true }),
      ...(version === null || version === undefined ? {} : { ifVersion: integer(version) }),
    };
    switch (operation.op) {
      case 'get-row': {
        const found = await table.get(key.map(keyPart), select);
        return found === null ? { row: null } : { row_json: found.json, version: told(found.version) };
      }
      case 'select-rows':
        return { rows_json: await queried(table, operation).json() };
      case 'count-rows':
        return { count: await queried(table, operation).count() };
      case 'explain-rows':
        return {
          plan: (await queried(table, operation).explain()).trimEnd().split('\n'),
        };
      case 'insert-rows': {
        const inserted = inOrder(rows, columns);
        if (operation.on_conflict === 'fail') return toldChanged(await table.insert(inserted, options), options);
        const { conflict_columns: onConflict } = operation;
        const ignoreDuplicates = operation.on_conflict === 'ignore';
        const conflict = {
          ignoreDuplicates,
          ...(onConflict.length === 0 ? {} : { onConflict }),
        };
        return toldChanged(await table.upsert(inserted, { ...options, ...conflict }), options);
      }
      case 'update-rows':
        return toldChanged(await queried(table, operation).update(row(set), options), options);
      case 'update-row':
        return toldChanged(await table.updateRow(key.map(keyPart), row(set), options), options);
      case 'update-many-rows':
        return toldChanged(await table.updateMany(inOrder(rows, columns), options), options);
      case 'delete-rows':
        return toldChanged(await queried(table, operation).delete(options), options);
      case 'delete-row':
        return toldChanged(await table.deleteRow(key.map(keyPart), options), options);
      default:
        throw new Error(`there is no ${operation.op}`);
    }
  }

  async #changes(step, { since, of, prefix, limit }) {
    const feed = this.#database.changes({
      since: this.#since(since),
      ...(of === null ? {} : { bucket: of }),
      ...(prefix === null ? {} : { prefix: bytes(prefix) }),
    });
    return this.#follow(step, since, feed, limit, toldChange);
  }

  async #rowChanges(step, { table, filter, select, since }) {
    const query = queried(this.#database.table(table), { filter, select, arguments: [], order: '' });
    return this.#follow(step, since, query.changes({ since: this.#since(since) }), Infinity, toldEvent);
  }

  /** The changes that a feed brings: those that are awaited, however long they take, and what comes at once after them. */
  async #follow(step, since, feed, limit, tell) {
    const changes = [];
    try {
      await feed.ready;
      while (changes.length < limit) {
        const next = await within(changes.length < step.awaited ? LOST_MS : QUIET_MS, feed.next());
        if (next === undefined) break;
        changes.push(next.value);
      }
    } finally {
      await feed.return();
    }
    this.#keep(step, changes.at(-1)?.cursor ?? this.#since(since));
    return { changes: changes.map(tell), at_end: null };
  }

  #since(from) {
    return from === null ? 'earliest' : this.#cursor(from);
  }

  #scanOptions({ span: scanned, reverse, limit, cursor }) {
    return {
      ...span(scanned),
      reverse,
      limit,
      cursor: cursor === null ? null : this.#cursor(cursor),
    };
  }

  /** Made-up cursors are texts here, as real ones are. */
  #cursor(from) {
    if ('step' in from) return this.#cursors.get(from.step);
    const madeUp = from['made-up'];
    return typeof madeUp === 'string' ? madeUp : madeUp.base64;
  }

  #keep(step, cursor) {
    if (step.as !== null && cursor !== null) this.#cursors.set(step.as, cursor);
    return cursor !== null;
  }
}

/** What `promise` comes to, or undefined when that takes longer. */
async function within(ms, promise) {
  let timer;
  const quiet = new Promise((done) => (timer = setTimeout(done, ms, undefined)));
  try {
    return await Promise.race([promise, quiet]);
  } finally {
    clearTimeout(timer);
  }
}

/** The query that a step's texts make. Conditions whose value is an argument, or a list of them, go through `where`. */
function queried(table, { filter, arguments: given, select = '', order, limit = null, offset = 0 }) {
  let query = table;
  for (const part of split(filter, '&')) {
    const [name, value] = split(part, '=', 2);
    const [, operator, operand] = /^((?:not\.)?[a-z]+)\.(\$\d+|\(\$\d+(?:,\$\d+)*\))$/.exec(value) ?? [];
    const named = operand?.match(/\d+/g).map((place) => argument(given[place - 1]));
    if (named === undefined || named.includes(null) || (operator.endsWith('in') && operand[0] === '$')) {
      query = query.parameter(name, inserted(value, given, /(^|\.)(and|or)$/.test(name)));
    } else {
      query = query.where(name, operator, operator.endsWith('in') ? named : named[0]);
    }
  }
  for (const [name, value] of [
    ['select', select],
    ['order', order],
  ]) {
    if (value !== '') query = query.parameter(name, value);
  }
  if (limit !== null) query = query.limit(limit);
  return offset === 0 ? query : query.offset(offset);
}

/** The parts of a text between separators outside of quotes; the last has the rest. */
function split(text, separator, most = Infinity) {
  const parts = [''];
  let quoted = false;
  for (const character of text) {
    if (character === '"') quoted = !quoted;
    if (character === separator && !quoted && parts.length < most) parts.push('');
    else parts[parts.length - 1] += character;
  }
  return parts.filter((part) => part !== '' || most !== Infinity);
}

/** A parameter's value with arguments in the places of `$1`, `$2`, ..: within parentheses in quotes. */
function inserted(value, given, isGroup) {
  let depth = isGroup ? 1 : 0;
  return value.replace(/"(?:[^"\\]|\\.)*"|[()]|\$(\d+)/g, (text, place) => {
    if (text === '(') depth += 1;
    if (text === ')') depth -= 1;
    if (place === undefined) return text;
    const plain = String(argument(given[place - 1]));
    return depth > 0 ? `"${plain.replace(/["\\]/g, '\\$&')}"` : plain;
  });
}
