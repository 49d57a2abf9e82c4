/** Batches of operations on keys and rows in the API's JSON. */

import type { OperationResult } from '../api.js';
import { toBucketName, toList } from '../arguments.js';
import { toBytes, toText } from '../bytes.js';
import { MantisError, causeOf, invalid } from '../errors.js';
import {
  isOfRows,
  toArgument,
  toMatches,
  toRefusal,
  toRows,
  type BatchOperation,
  type BatchResult,
  type Batched,
  type RowOperation,
} from '../tables/batch.js';
import { checkTexts, name, toJson } from '../tables/dialect.js';
import { fromResult, toOperation, type JsonResult } from './batch.js';
import { toWritten, type Client } from './client.js';
import { toJsonBytes } from './json.js';
import { itemTexts, memberTexts } from './texts.js';

interface JsonRefusal {
  index: number;
  version?: string | null;
  matched?: number;
}

export async function runBatch(
  client: Client,
  operations: readonly BatchOperation[],
  transaction: string | undefined,
): Promise<Batched> {
  const body = `{"operations":[${toList(operations, 'operations').map(toForm).join(',')}]}`;
  const headers = {
    accept: 'application/json',
    'content-type': 'application/json',
    'mantisdb-transaction': transaction,
  };
  const query = { details: 'true', numbers: 'string' };
  const { answer, error } = await client.attempt({ method: 'POST', path: '/batch', query, headers, body });
  if (error?.code === 'check-failed') {
    const { operations: refusals } = causeOf(error) as { operations: JsonRefusal[] };
    return { committed: false, refusals: refusals.map(fromRefusal) };
  }
  if (error !== null) throw error;
  const { results = '[]' } = memberTexts(toText(answer.bytes));
  const answers = itemTexts(results);
  const shown = operations.map((operation, index) => toResult(operation, answers[index] ?? '{}'));
  return { committed: true, ...toWritten(answer), results: shown };
}

function toForm(operation: BatchOperation): string {
  if (isOfRows(operation)) return toJson(toRowForm(operation)) ?? '';
  const { bucket, ...ofKey } = operation;
  const form = toOperation(ofKey);
  return bucket === undefined ? form : `{"bucket":${JSON.stringify(toBucketName(bucket))},${form.slice(1)}`;
}

function toRowForm(operation: RowOperation): object {
  const { op, table } = operation;
  checkTexts([table]);
  if (op === 'insert') {
    const { rows, from, onDuplicate, onConflict, select } = operation;
    return {
      op,
      table,
      rows,
      from,
      resolution: onDuplicate && `${onDuplicate}-duplicates`,
      on_conflict: onConflict?.map(name).join(','),
      select,
    };
  }
  if (!['select', 'update', 'delete', 'check'].includes(op)) {
    throw invalid('argument-invalid', `there is no operation ${JSON.stringify(op)}`);
  }
  const { filter, arguments: given, matches } = operation;
  const shared = { op, table, filter, arguments: given?.map(toArgument), matches: toMatches(matches) };
  if (op === 'select') {
    const { select, order, limit, offset } = operation;
    return { ...shared, select, order, limit, offset };
  }
  const guarded = { ...shared, if_version: operation.ifVersion };
  if (op === 'check') return guarded;
  if (op === 'delete') return { ...guarded, select: operation.select };
  return { ...guarded, set: operation.set ?? {}, from: operation.from, select: operation.select };
}

function fromRefusal({ index, version, matched }: JsonRefusal): ReturnType<typeof toRefusal> {
  return toRefusal(index, matched, typeof version === 'string' ? BigInt(version) : version);
}

function toResult(operation: BatchOperation, json: string): BatchResult {
  if (!isOfRows(operation)) {
    const key = 'key' in operation ? toJsonBytes(toBytes(operation.key)) : '';
    return fromResult(operation, { ...(JSON.parse(json) as JsonResult), key });
  }
  const { op } = operation;
  if (op === 'check') return { op } as OperationResult;
  const { inserted, updated, deleted, rows } = memberTexts(json);
  const shown = toRows(rows);
  switch (op) {
    case 'select':
      return { op, ...shown };
    case 'insert':
      return { op, inserted: Number(inserted), updated: Number(updated), ...shown };
    case 'update':
      return { op, updated: Number(updated), ...shown };
    case 'delete':
      return { op, deleted: Number(deleted), ...shown };
    default:
      throw new MantisError('internal', 'other', `there is no operation ${String(op)}`);
  }
}
