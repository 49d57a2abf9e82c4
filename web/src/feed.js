// The changes of a table as objects. Bytes arrive as views of WebAssembly's memory, and are read here.

const decoder = new TextDecoder();

function text(json) {
  return json === undefined ? null : decoder.decode(json);
}

export function rowChange(
  kind,
  table,
  schemaVersion,
  key,
  row,
  old,
  matchesOld,
  matchesNew,
  version,
  previousVersion,
  timeMs,
  cursor,
) {
  const json = { key: text(key), row: text(row), old: text(old) };
  return {
    kind,
    table,
    schemaVersion,
    key: JSON.parse(json.key),
    row: JSON.parse(json.row),
    old: JSON.parse(json.old),
    json,
    matches: { old: matchesOld ?? null, new: matchesNew },
    version,
    previousVersion: previousVersion ?? null,
    timeMs,
    cursor,
  };
}

export function tableChange(kind, table, schemaVersion, schema, version, previousVersion, timeMs, cursor) {
  return {
    kind,
    table,
    schemaVersion,
    schema: schema === undefined ? null : JSON.parse(schema),
    version,
    previousVersion: previousVersion ?? null,
    timeMs,
    cursor,
  };
}

export function changes(items, cursor, atEnd) {
  return { items, cursor, atEnd };
}
