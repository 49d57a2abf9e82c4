// Does the steps of scenarios with `web/`'s interface, in a page as in Node: its two implementations take the same steps.

/** Longer values that repeat one character are told as that. */
const TOLD_BYTES_MAX = 64;
/** A feed that brings nothing for so long has come to its end. In a page it brings what there is without waiting. */
const QUIET_MS = 50;

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
      const { code, message } = error;
      // Errors of tables have messages that are the same everywhere.
      return /^(PGRST\d+|[0-9A-Z]{5}|precondition-failed)$/.test(code) ? { error: code, message } : { error: code };
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
        const within = step.in === null ? this.#database : this.#transactions.get(step.in);
        if (operation.table !== undefined) return this.#onTable(operation, within.table(operation.table));
        return this.#onBucket(step, operation, within.kv(step.bucket));
      }
    }
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
      since: since === null ? 'earliest' : this.#cursor(since),
      ...(of === null ? {} : { bucket: of }),
      ...(prefix === null ? {} : { prefix: bytes(prefix) }),
    });
    const changes = [];
    try {
      while (changes.length < limit) {
        const next = await within(QUIET_MS, feed.next());
        if (next === undefined) break;
        changes.push(next.value);
      }
    } finally {
      await feed.return();
    }
    const behind = changes.at(-1)?.cursor ?? (since === null ? 'earliest' : this.#cursor(since));
    this.#keep(step, behind);
    return { changes: changes.map(toldChange), at_end: null };
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

// From the data to arguments.

/** Text stays text, so that the interface's own way with it is used. */
function bytes(data) {
  if (typeof data === 'string') return data;
  if ('repeat' in data) return new TextEncoder().encode(data.repeat[0].repeat(data.repeat[1]));
  return Uint8Array.from(atob(data.base64), (character) => character.charCodeAt(0));
}

/** Numbers that JSON's readers would round come as `{"integer":"..."}`. */
function integer(number) {
  return BigInt(typeof number === 'object' ? number.integer : number);
}

function expect(condition) {
  return typeof condition === 'string' ? condition : { version: integer(condition.version) };
}

function setOptions({ media_type: mediaType, ttl_ms: ttlMs, if: condition }) {
  return {
    ...(mediaType === null ? {} : { mediaType }),
    ...(ttlMs === null ? {} : { ttlMs }),
    expect: expect(condition),
  };
}

function span(span) {
  if (span === 'all') return {};
  if ('prefix' in span) return { prefix: bytes(span.prefix) };
  const { start, end } = span.between;
  return {
    ...(start === null ? {} : { start: bytes(start) }),
    ...(end === null ? {} : { end: bytes(end) }),
  };
}

function batchOperation(operation) {
  const key = operation.key === undefined ? undefined : bytes(operation.key);
  switch (operation.op) {
    case 'get':
      return { op: 'get', key };
    case 'set':
      return {
        op: 'set',
        key,
        value: bytes(operation.value),
        ...setOptions(operation),
      };
    case 'increment':
      return { op: 'increment', key, by: integer(operation.by) };
    case 'delete-span':
      return { op: 'delete-span', span: span(operation.span) };
    default:
      return { op: operation.op, key, expect: expect(operation.if) };
  }
}

// Tables.

/** A value of a row. Numbers that JavaScript's would change stay as they are written. */
function cell(value) {
  if (Array.isArray(value)) return value.map(cell);
  if (typeof value !== 'object' || value === null) return value;
  const [[name, digits] = [], ...more] = Object.entries(value);
  if (more.length === 0 && (name === 'number' || name === 'integer')) return JSON.rawJSON(digits);
  return row(value);
}

function row(values) {
  return Object.fromEntries(Object.entries(values).map(([column, value]) => [column, cell(value)]));
}

/** Rows whose members have the order of the columns, where that is given. */
function inOrder(rows, columns) {
  const ordered = (values) => Object.fromEntries((columns ?? Object.keys(values)).map((name) => [name, values[name]]));
  return rows.map((values) => row(ordered(values)));
}

function keyPart(value) {
  return typeof value === 'object' ? (value.number ?? value.integer) : value;
}

/** An argument of a filter. */
function argument(value) {
  return typeof value === 'object' && value !== null ? keyPart(value) : value;
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

// From answers to the transcript.

function told(number) {
  const small = Number(number);
  return Number.isSafeInteger(small) ? small : { integer: String(number) };
}

/** What was written. That it is not durable is usual, and left out; that nothing is said of it is not. */
function toldCommit(name, { version, durable }) {
  return {
    [name]: told(version),
    ...(durable === false ? {} : { durable: durable ?? null }),
  };
}

function toldChanged(written, { returning }) {
  const rows = returning === undefined ? {} : { rows_json: written.json };
  return { changed: written.count, ...toldCommit('version', written), ...rows };
}

function toldKeys(deleted) {
  return { deleted_keys: deleted.keys, ...toldCommit('version', deleted) };
}

function toldBytes(bytes) {
  if (bytes === null) return null;
  if (bytes.length > TOLD_BYTES_MAX && bytes[0] < 0x80 && bytes.every((byte) => byte === bytes[0])) {
    return { repeat: [String.fromCharCode(bytes[0]), bytes.length] };
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return { base64: btoa(String.fromCharCode(...bytes)) };
  }
}

function toldEntry(entry) {
  if (entry === null) return null;
  const { value, version, modifiedAtMs, mediaType, expiresAtMs } = entry;
  return {
    value: toldBytes(value),
    version: told(version),
    modified_ms: modifiedAtMs,
    ...(mediaType === 'application/octet-stream' ? {} : { media_type: mediaType }),
    ...(expiresAtMs === null ? {} : { expires_at_ms: expiresAtMs }),
  };
}

function current(entry) {
  return entry === null ? null : told(entry.version);
}

function toldOutcome(outcome) {
  return outcome.written ? toldCommit('written', outcome) : { refused: current(outcome.current) };
}

function toldApplied(applied) {
  if (!applied.committed) {
    return {
      refused: applied.refusals.map((refusal) => ({
        index: refusal.index,
        current: current(refusal.current),
      })),
    };
  }
  return {
    ...toldCommit('applied', applied),
    results: applied.results.map(toldResult),
  };
}

function toldResult(result) {
  switch (result.op) {
    case 'get':
      return result.entry === null
        ? { value: null }
        : {
            value: toldBytes(result.entry.value),
            version: told(result.entry.version),
          };
    case 'delete':
    case 'delete-span':
      return { deleted: result.deleted };
    case 'increment':
      return { number: told(result.number) };
    default:
      return 'done';
  }
}

function toldChange({ kind, bucket, key, value, version, previousVersion }) {
  return {
    [kind]: toldBytes(key),
    ...(bucket === 'default' ? {} : { bucket }),
    ...(value === null ? {} : { value: toldBytes(value) }),
    version: told(version),
    ...(previousVersion === null ? {} : { previous: told(previousVersion) }),
  };
}
