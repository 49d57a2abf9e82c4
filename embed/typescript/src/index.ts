/** The client of a MantisDB server. */

export type * from './api.js';
export type * from './plugins/api.js';
export type * from './tables/api.js';
export type {
  BatchOperation,
  BatchRefusal,
  BatchResult,
  Batched,
  KeyOperation,
  Made,
  RowCheck,
  RowDelete,
  RowInsert,
  RowOperation,
  RowSelect,
  RowUpdate,
  RowsShown,
} from './tables/batch.js';
export { fromBase64, toBase64, toBytes, toText } from './bytes.js';
export { MantisError } from './errors.js';
export type * from './http/api.js';
export { connect } from './http/connect.js';
export type * from './http/options.js';
