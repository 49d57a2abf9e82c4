/** Batches in the API's JSON. */

import type { Entry, Expect, Operation, OperationResult } from '../api.js';
import { toEnds, toExpectation, toInteger, toKey, toList, toMediaType, toTtlMs } from '../arguments.js';
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

/** The body of a batch. Written by hand where an integer may have more digits than a JavaScript number keeps. */
export function toBatch(operations: Operation[]): string {
  return `{"atomic":true,"operations":[${toList(operations, 'operations').map(toOperation).join(',')}]}`;
}

export function toOperation(operation: Operation): string {
  if (operation.op === 'increment') {
    const { key, by } = operation;
    return `{"op":"increment","key":${JSON.stringify(toJsonBytes(toKey(key)))},"by":${toInteger(by)}}`;
  }
  return JSON.stringify(toForm(operation));
}

function toForm(operation: Exclude<Operation, { op: 'increment' }>): object {
  switch (operation.op) {
    case 'get':
      return { op: 'get', key: toJsonBytes(toKey(operation.key)) };
    case 'set':
      return {
        op: 'set',
        key: toJsonBytes(toKey(operation.key)),
        value: toJsonValue(operation.value),
        media_type: toMediaType(operation.mediaType),
        ttl_ms: toTtlMs(operation),
        ...toCondition(operation.expect),
      };
    case 'delete':
    case 'check':
      return { op: operation.op, key: toJsonBytes(toKey(operation.key)), ...toCondition(operation.expect) };
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
