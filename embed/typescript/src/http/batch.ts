/** Batches in the API's JSON. */

import type { BytesLike, Entry, Expect, Operation, OperationResult } from '../api.js';
import { toEnds, toExpectation, toInteger, toKey, toList, toMediaType, toTextKey, toTtlMs } from '../arguments.js';
import { invalid } from '../errors.js';
import { fromJsonEntry, toJsonBytes, toJsonValue, type JsonBytes, type JsonEntry } from './json.js';

/** The outcome of an atomic batch. */
export interface JsonResults {
  results: JsonResult[];
}

/** The outcome of an operation. */
export interface JsonResult extends Partial<JsonEntry> {
  key: JsonBytes;
  version: string | null;
  deleted?: number;
}

/** Lists the operations whose condition did not hold, in the answer `check-failed`. */
export interface JsonRefusal {
  index: number;
}

/** The media type of values that are given none. */
export const MEDIA_TYPE = 'application/octet-stream';

/** The body of a batch that reads values. */
export function toReads(keys: BytesLike[]): string {
  const operations = keys.map((key) => ({ op: 'get', key: toJsonKey(key) }));
  return JSON.stringify({ atomic: true, operations });
}

function toJsonKey(key: BytesLike): JsonBytes {
  return toTextKey(key) ?? toJsonBytes(toKey(key));
}

/** The body of a batch. Written by hand where an integer may have more digits than a JavaScript number keeps. */
export function toBatch(operations: Operation[]): string {
  return `{"atomic":true,"operations":[${toList(operations, 'operations').map(toOperation).join(',')}]}`;
}

export function toOperation(operation: Operation): string {
  if (operation.op === 'increment') {
    const { key, by } = operation;
    return `{"op":"increment","key":${JSON.stringify(toJsonKey(key))},"by":${toInteger(by)}}`;
  }
  return JSON.stringify(toForm(operation));
}

function toForm(operation: Exclude<Operation, { op: 'increment' }>): object {
  switch (operation.op) {
    case 'get':
      return { op: 'get', key: toJsonKey(operation.key) };
    case 'set':
      return {
        op: 'set',
        key: toJsonKey(operation.key),
        value: toJsonValue(operation.value),
        // Without it a text would be stored as one.
        media_type: toMediaType(operation.mediaType) ?? MEDIA_TYPE,
        ttl_ms: toTtlMs(operation),
        ...toCondition(operation.expect),
      };
    case 'delete':
    case 'check':
      return { op: operation.op, key: toJsonKey(operation.key), ...toCondition(operation.expect) };
    case 'delete-span': {
      const ends = Object.entries(toEnds(operation.span)).map(([name, bytes]) => [name, toJsonBytes(bytes)]);
      return { op: 'delete-span', ...Object.fromEntries(ends) };
    }
    default:
      throw invalid('argument-invalid', `there is no operation ${JSON.stringify((operation as Operation).op)}`);
  }
}

function toCondition(expect: Expect | undefined): object {
  const { name, version } = toExpectation(expect);
  switch (name) {
    case 'absent':
      return { absent: true };
    case 'present':
      return { absent: false };
    case 'version':
      return { if_version: String(version) };
    default:
      return {};
  }
}

export function fromResult(operation: Operation, result: JsonResult): OperationResult {
  switch (operation.op) {
    case 'get':
      return { op: 'get', entry: fromFound(result) };
    case 'delete':
    case 'delete-span':
      return { op: operation.op, deleted: result.deleted ?? 0 };
    case 'increment':
      return { op: 'increment', number: BigInt(result.value as unknown as string | number) };
    default:
      return { op: operation.op };
  }
}

function fromFound(result: JsonResult): Entry | null {
  return result.value == null ? null : fromJsonEntry(result as JsonEntry);
}
