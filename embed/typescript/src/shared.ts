/**
 * What every implementation of the interface stands on: its types, errors, the checks of arguments, the builder of queries, and the repetition of
 * transactions. The database in a page (`web/`) takes them from here. Applications take `index.ts`.
 */

export type * from './api.js';
export type * from './plugins/api.js';
export type * from './tables/api.js';
export {
  isBucketName,
  toBucketName,
  toBytesWithin,
  toEnds,
  toExpectation,
  toInteger,
  toIsolation,
  toKey,
  toKeys,
  toList,
  toMediaType,
  toScan,
  toSince,
  toTtlMs,
} from './arguments.js';
export {
  checkText,
  concatenate,
  fromBase64,
  fromBase64Url,
  toBase64,
  toBase64Url,
  toBytes,
  toText,
  toTextStrictly,
} from './bytes.js';
export { entries } from './entries.js';
export { MantisError, closed, invalid, rejectCleanly, tableError, toMantisError } from './errors.js';
export { getJson, setJson } from './json.js';
export { toCallJson, type JsonObject } from './plugins/arguments.js';
export { camelCase } from './plugins/names.js';
export { pauseAfter, transact, type Transactional } from './retry.js';
export {
  isOfRows,
  toArgument,
  toMatches,
  toRefusal,
  toRows,
  type BatchOperation,
  type BatchResult,
  type Batched,
  type RowOperation,
  type RowSelect,
} from './tables/batch.js';
export { checkTexts, name, toDefinition, toLines, type Parameter } from './tables/dialect.js';
export { table, type RowStore, type StoreWritten, type Writing } from './tables/query.js';
export { Turns } from './turns.js';
