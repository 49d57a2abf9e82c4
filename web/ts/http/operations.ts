/** Batches of operations on keys and rows in the API's JSON. */

import type { OperationResult } from '../api.js';
import { toBucketName } from '../arguments.js';
import { MantisError, invalid } from '../errors.js';
import {
  isOfRows,
  toArgument,
  toMatches,
  toRows,
  type BatchOperation,
  type BatchRefusal,
  type BatchResult,
  type Batched,
  type RowOperation,
} from '../tables/batch.js';
import { name, toJson } from '../tables/dialect.js';
import { fromResult, toOperation, type JsonResult } from './batch.js';
import { parseJson, toWritten, type Client } from './client.js';
import { toJsonBytes } from './json.js';

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
  const body = `{"operations":[${operations.map(toForm).join(',')}]}`;
  const headers = {
    accept: 'application/json',
    'content-type': 'application/json',
    'mantisdb-transaction': transaction,
  };
  const query = { details: 'true' };
  const { response, error } = await client.attempt({ method: 'POST', path: '/batch', query, headers, body });
  if (error?.code === 'check-failed') {
    const { operations: refusals } = error.cause as { operations: JsonRefusal[] };
    return { committed: false, refusals: refusals.map(toRefusal) };
  }
  if (error !== null) throw error;
  const answers = results(await response.text());
  const shown = operations.map((operation, index) => toResult(operation, answers[index] ?? '{}'));
  return { committed: true, ...toWritten(response), results: shown };
}

function toForm(operation: BatchOperation): string {
  if (isOfRows(operation)) return toJson(toRowForm(operation)) ?? '';
  const { bucket, ...ofKey } = operation;
  const form = toOperation(ofKey);
  return bucket === undefined ? form : `{"bucket":${JSON.stringify(toBucketName(bucket))},${form.slice(1)}`;
}

function toRowForm(operation: RowOperation): object {
  const { op, table } = operation;
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

function toRefusal({ index, version, matched }: JsonRefusal): BatchRefusal {
  const found = { index, version: version === undefined || version === null ? null : BigInt(version) };
  return matched === undefined ? found : { ...found, matched };
}

function toResult(operation: BatchOperation, json: string): BatchResult {
  if (!isOfRows(operation)) {
    const key = 'key' in operation ? toJsonBytes(operation.key) : '';
    return fromResult(operation, { ...(parseJson(json) as JsonResult), key });
  }
  const { op } = operation;
  if (op === 'check') return { op } as OperationResult;
  const {
    inserted = 0,
    updated = 0,
    deleted = 0,
    rows = [],
  } = JSON.parse(json) as {
    inserted?: number;
    updated?: number;
    deleted?: number;
    rows?: ReturnType<typeof toRows>;
  };
  switch (op) {
    case 'select':
      return { op, rows };
    case 'insert':
      return { op, inserted, updated, rows };
    case 'update':
      return { op, updated, rows };
    case 'delete':
      return { op, deleted, rows };
    default:
      throw new MantisError('internal', 'other', `there is no operation ${String(op)}`);
  }
}

/** The texts of the objects in the list `results`, the last member: numbers in them are read where it is known what they are. */
function results(text: string): string[] {
  const found: string[] = [];
  let depth = 0;
  let begin = 0;
  let isText = false;
  for (let at = text.indexOf('"results":[') + '"results":['.length; at < text.length; at++) {
    const character = text[at];
    if (isText) {
      if (character === '\\') at += 1;
      else if (character === '"') isText = false;
    } else if (character === '"') {
      isText = true;
    } else if (character === '{' || character === '[') {
      if (depth === 0) begin = at;
      depth += 1;
    } else if (character === '}' || character === ']') {
      depth -= 1;
      if (depth === 0) found.push(text.slice(begin, at + 1));
      if (depth < 0) break;
    }
  }
  return found;
}
