// Batches across keys and tables, and changes of rows: the data's form of them, and the transcript's.

import { argument, batchOperation, integer, row, told, toldCommit, toldResult } from './data.mjs';

/** An operation on keys or on rows, as the interface takes it. */
export function operationAcross(operation) {
  if (operation.table === undefined) return { bucket: operation.bucket, ...batchOperation(operation) };
  const { op, table, filter, select, order, limit, offset, rows, set, from, matches } = operation;
  const { on_conflict: duplicates, conflict_columns: onConflict, if_version: version } = operation;
  return present({
    op,
    table,
    filter: filter || null,
    arguments: listed(operation.arguments.map(argumentOrMade)),
    select,
    order: order || null,
    limit,
    offset,
    rows: rows?.map(row),
    set: set && row(set),
    from: Object.keys(from).length === 0 ? null : from,
    onDuplicate: duplicates === 'fail' ? null : duplicates,
    onConflict: listed(onConflict),
    matches: typeof matches === 'object' && matches !== null ? present(matches) : matches,
    ifVersion: version === null ? null : integer(version),
  });
}

/** A value, a list of them, or what an earlier operation makes. */
function argumentOrMade(value) {
  if (Array.isArray(value)) return value.map(argument);
  return value !== null && value.operation !== undefined ? value : argument(value);
}

function listed(items) {
  return items.length === 0 ? null : items;
}

/** The members that the step has. */
function present(members) {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== null && value !== undefined));
}

export function toldBatch(operations, batched) {
  if (!batched.committed) return { refused: batched.refusals.map(toldRefusal) };
  const results = batched.results.map((result, index) => toldResultAcross(operations[index], result));
  return { ...toldCommit('applied', batched), results };
}

function toldResultAcross({ table, select }, result) {
  if (table === undefined || result.op === 'check') return toldResult(result);
  const { op, rows, json, ...counts } = result;
  return op !== 'select' && select === null ? counts : { ...counts, rows: { exact: json } };
}

function toldRefusal({ index, matched, version }) {
  if (matched === undefined) return { index, current: version === null ? null : told(version) };
  // What the batch's own transaction wrote has the version 0.
  return { index, matched, ...(version === undefined ? {} : { version: told(version ?? 0n) }) };
}

/** A change of a row or of a definition. */
export function toldEvent(event) {
  const { kind, table, schemaVersion, version, previousVersion } = event;
  const shared = {
    kind,
    table,
    schema: schemaVersion,
    version: told(version),
    ...(previousVersion === null ? {} : { previous: told(previousVersion) }),
  };
  if ('schema' in event) return { ...shared, columns: event.schema?.columns.map(({ name }) => name) ?? null };
  const { json, matches } = event;
  const exact = (text) => (text === null ? null : { exact: text });
  return {
    ...shared,
    key: exact(json.key),
    row: exact(json.row),
    old: exact(json.old),
    matches: [matches.old, matches.new],
  };
}
