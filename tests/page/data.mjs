// What the scenarios' data and the transcript have in forms of their own, and the TypeScript interface in others.

/** Longer values that repeat one character are told as that. */
const TOLD_BYTES_MAX = 64;

// From the data to arguments.

/** Text stays text, so that the interface's own way with it is used. */
export function bytes(data) {
  if (typeof data === 'string') return data;
  if ('repeat' in data) return new TextEncoder().encode(data.repeat[0].repeat(data.repeat[1]));
  return Uint8Array.from(atob(data.base64), (character) => character.charCodeAt(0));
}

/** Numbers that JSON's readers would round come as `{"integer":"..."}`. */
export function integer(number) {
  return BigInt(typeof number === 'object' ? number.integer : number);
}

export function expect(condition) {
  return typeof condition === 'string' ? condition : { version: integer(condition.version) };
}

export function setOptions({ media_type: mediaType, ttl_ms: ttlMs, if: condition }) {
  return {
    ...(mediaType === null ? {} : { mediaType }),
    ...(ttlMs === null ? {} : { ttlMs }),
    expect: expect(condition),
  };
}

export function span(span) {
  if (span === 'all') return {};
  if ('prefix' in span) return { prefix: bytes(span.prefix) };
  const { start, end } = span.between;
  return {
    ...(start === null ? {} : { start: bytes(start) }),
    ...(end === null ? {} : { end: bytes(end) }),
  };
}

export function batchOperation(operation) {
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
export function cell(value) {
  if (Array.isArray(value)) return value.map(cell);
  if (typeof value !== 'object' || value === null) return value;
  const [[name, digits] = [], ...more] = Object.entries(value);
  if (more.length === 0 && (name === 'number' || name === 'integer')) return JSON.rawJSON(digits);
  return row(value);
}

export function row(values) {
  return Object.fromEntries(Object.entries(values).map(([column, value]) => [column, cell(value)]));
}

/** Rows whose members have the order of the columns, where that is given. */
export function inOrder(rows, columns) {
  const ordered = (values) => Object.fromEntries((columns ?? Object.keys(values)).map((name) => [name, values[name]]));
  return rows.map((values) => row(ordered(values)));
}

export function keyPart(value) {
  return typeof value === 'object' ? (value.number ?? value.integer) : value;
}

/** An argument of a filter. */
export function argument(value) {
  return typeof value === 'object' && value !== null ? keyPart(value) : value;
}

// From answers to the transcript.

export function told(number) {
  const small = Number(number);
  return Number.isSafeInteger(small) ? small : { integer: String(number) };
}

/** What was written. That it is not durable is usual, and left out; that nothing is said of it is not. */
export function toldCommit(name, { version, durable }) {
  return {
    [name]: told(version),
    ...(durable === false ? {} : { durable: durable ?? null }),
  };
}

export function toldChanged(written, { returning }) {
  const rows = returning === undefined ? {} : { rows_json: written.json };
  return { changed: written.count, ...toldCommit('version', written), ...rows };
}

export function toldKeys(deleted) {
  return { deleted_keys: deleted.keys, ...toldCommit('version', deleted) };
}

export function toldBytes(bytes) {
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

export function toldEntry(entry) {
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

export function current(entry) {
  return entry === null ? null : told(entry.version);
}

export function toldOutcome(outcome) {
  return outcome.written ? toldCommit('written', outcome) : { refused: current(outcome.current) };
}

export function toldApplied(applied) {
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

export function toldResult(result) {
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

export function toldChange({ kind, bucket, key, value, version, previousVersion }) {
  return {
    [kind]: toldBytes(key),
    ...(bucket === 'default' ? {} : { bucket }),
    ...(value === null ? {} : { value: toldBytes(value) }),
    version: told(version),
    ...(previousVersion === null ? {} : { previous: told(previousVersion) }),
  };
}
