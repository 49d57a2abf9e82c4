/** Batches of operations on keys and rows in the page. */

import {
  type Batched,
  type BatchOperation,
  type BatchResult,
  checkTexts,
  invalid,
  isOfRows,
  name,
  type OperationResult,
  type RowOperation,
  type RowSelect,
  toArgument,
  toBucketName,
  toLines,
  toMatches,
  toRefusal,
  toRows,
  type Written,
} from '../client.js';
import { KeyBatch, resultOf, toOperations, type Target } from './bucket.js';
import type { RawOperations, RawSession } from './raw.js';
import { admitRows, inTables } from './rows.js';

type RawBatched = ({ committed: true; results: unknown[] } & Written) | { committed: false; refusals: RawRefusal[] };
type RawRefusal = { index: number; version?: bigint; matched?: number };

/** What was written. */
interface RawChanged {
  affected: number;
  inserted: number;
  json?: string;
}

export function runBatch(target: Target, operations: readonly BatchOperation[]): Batched {
  const batched = inTables(target, (session) => {
    const asked = target.store.newOperations();
    const batch = new KeyBatch(target.store, session);
    try {
      for (const operation of toOperations(operations)) {
        if (isOfRows(operation)) {
          addRows(asked, session, operation);
        } else {
          const { bucket = 'default', ...ofKey } = operation;
          batch.add(ofKey);
          asked.keys(toBucketName(bucket), batch.take());
        }
      }
    } catch (error) {
      asked.free();
      throw error;
    } finally {
      batch.raw.free();
    }
    return session.batch(asked) as RawBatched;
  });
  if (!batched.committed) return { committed: false, refusals: batched.refusals.map(fromRefusal) };
  target.wrote();
  const results = operations.map((operation, index) => toResult(operation, batched.results[index]));
  return { ...batched, results };
}

function addRows(asked: RawOperations, session: RawSession, operation: RowOperation): void {
  const { op, table } = operation;
  const given = 'set' in operation ? (operation.set ?? {}) : 'rows' in operation ? operation.rows : [];
  const rows = (Array.isArray(given) ? given : [given]) as { [column: string]: unknown }[];
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row).filter((key) => row[key] !== undefined)))];
  const values = toLines(rows, columns);
  admitRows(session, values.length);
  const { order, limit, offset }: Partial<RowSelect> = op === 'select' ? operation : {};
  const select = op === 'check' ? undefined : operation.select;
  const texts = { select, order, on_conflict: onConflict(operation) };
  const parameters = Object.entries(texts).flatMap(([name, text]) => (text === undefined ? [] : [name, text]));
  const filter = ('filter' in operation ? operation.filter : undefined) ?? '';
  checkTexts([table, filter, ...parameters, ...columns]);
  asked.rows(
    verb(operation),
    table,
    filter,
    parameters,
    limit,
    offset,
    columns,
    values,
    rows.length,
    select !== undefined,
  );
  for (const value of ('arguments' in operation ? operation.arguments : undefined) ?? []) {
    const argument = toArgument(value);
    if (argument === null || typeof argument === 'string') asked.argument(argument ?? undefined);
    else asked.argumentFrom(argument.operation, argument.column);
  }
  for (const [column, made] of Object.entries(('from' in operation ? operation.from : undefined) ?? {})) {
    asked.from(column, made.operation, made.column);
  }
  const matches = 'matches' in operation ? toMatches(operation.matches) : undefined;
  if (matches !== undefined) asked.matches(matches.min, matches.max);
  if ('ifVersion' in operation && operation.ifVersion !== undefined) asked.ifVersion(operation.ifVersion);
}

function verb(operation: RowOperation): string {
  switch (operation.op) {
    case 'insert':
      return operation.onDuplicate ?? 'insert';
    case 'select':
    case 'update':
    case 'delete':
    case 'check':
      return operation.op;
    default:
      throw invalid('argument-invalid', `there is no operation ${JSON.stringify((operation as RowOperation).op)}`);
  }
}

function onConflict(operation: RowOperation): string | undefined {
  return operation.op === 'insert' ? operation.onConflict?.map(name).join(',') : undefined;
}

function fromRefusal({ index, version, matched }: RawRefusal): ReturnType<typeof toRefusal> {
  // What the transaction wrote itself has no version.
  return toRefusal(index, matched, version === 0n ? null : version);
}

function toResult(operation: BatchOperation, result: unknown): BatchResult {
  if (!isOfRows(operation)) return resultOf(operation, result);
  const { op } = operation;
  if (op === 'check') return { op } as OperationResult;
  if (op === 'select') return { op, ...toRows(result as string) };
  const { affected, inserted, json } = result as RawChanged;
  const shown = toRows(json);
  if (op === 'insert') return { op, inserted, updated: affected - inserted, ...shown };
  return op === 'update' ? { op, updated: affected, ...shown } : { op, deleted: affected, ...shown };
}
