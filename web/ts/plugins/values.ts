/** Values of `mantis:db/tables` in the form of `jco`, and packed as `packed-rows` says. */

import { toBytes, toText } from '../client.js';

/** The variant `value`. */
export type WitValue =
  | { tag: 'null' }
  | { tag: 'boolean'; val: boolean }
  | { tag: 'integer' | 'timestamp' | 'time'; val: bigint }
  | { tag: 'real' | 'double' | 'date'; val: number }
  | { tag: 'numeric' | 'text' | 'json' | 'array'; val: string }
  | { tag: 'bytes'; val: Uint8Array }
  | { tag: 'uuid'; val: [bigint, bigint] };

/** The byte before a value; of a boolean the one of false. */
const TAGS = {
  null: 0,
  boolean: 1,
  integer: 3,
  real: 4,
  double: 5,
  numeric: 6,
  text: 7,
  bytes: 8,
  json: 9,
  array: 10,
  timestamp: 11,
  date: 12,
  time: 13,
  uuid: 14,
} as const;

/** The most bytes of a value without those of a text: its tag and two numbers. */
const HEAD_BYTES = 17;
const BYTES_AT_FIRST = 256;

/** Values back to back. */
export function packValues(values: readonly WitValue[]): Uint8Array {
  let packed = new Uint8Array(BYTES_AT_FIRST);
  let view = new DataView(packed.buffer);
  let at = 0;
  for (const value of values) {
    const bytes = bytesOf(value);
    const needed = at + HEAD_BYTES + (bytes?.length ?? 0);
    if (needed > packed.length) {
      const larger = new Uint8Array(Math.max(needed, packed.length * 2));
      larger.set(packed);
      [packed, view] = [larger, new DataView(larger.buffer)];
    }
    packed[at++] = TAGS[value.tag];
    if (bytes === undefined) {
      at += packNumber(view, at, value);
    } else {
      view.setUint32(at, bytes.length, true);
      packed.set(bytes, at + 4);
      at += 4 + bytes.length;
    }
  }
  return packed.subarray(0, at);
}

function bytesOf(value: WitValue): Uint8Array | undefined {
  switch (value.tag) {
    case 'bytes':
      return value.val;
    case 'numeric':
    case 'text':
    case 'json':
    case 'array':
      return toBytes(value.val);
    default:
      return undefined;
  }
}

/** Writes the number behind a tag, and returns how many bytes it has. */
function packNumber(view: DataView, at: number, value: WitValue): number {
  switch (value.tag) {
    case 'boolean':
      // Each has a tag of its own.
      if (value.val) view.setUint8(at - 1, TAGS.boolean + 1);
      return 0;
    case 'integer':
    case 'timestamp':
    case 'time':
      view.setBigInt64(at, value.val, true);
      return 8;
    case 'real':
      view.setFloat32(at, value.val, true);
      return 4;
    case 'double':
      view.setFloat64(at, value.val, true);
      return 8;
    case 'date':
      view.setInt32(at, value.val, true);
      return 4;
    case 'uuid':
      view.setBigUint64(at, value.val[0]);
      view.setBigUint64(at + 8, value.val[1]);
      return 16;
    default:
      return 0;
  }
}

/** Rows of so many columns. The values are the store's own. */
export function unpackRows(packed: Uint8Array, columns: number, count: number): WitValue[][] {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  let at = 0;
  const skip = (bytes: number): number => {
    const before = at;
    at += bytes;
    return before;
  };
  const bytes = (): Uint8Array => {
    const length = view.getUint32(skip(4), true);
    return packed.subarray(at, skip(length) + length);
  };
  const next = (): WitValue => {
    const tag = packed[at++];
    switch (tag) {
      case TAGS.boolean:
      case TAGS.boolean + 1:
        return { tag: 'boolean', val: tag !== TAGS.boolean };
      case TAGS.integer:
        return { tag: 'integer', val: view.getBigInt64(skip(8), true) };
      case TAGS.real:
        return { tag: 'real', val: view.getFloat32(skip(4), true) };
      case TAGS.double:
        return { tag: 'double', val: view.getFloat64(skip(8), true) };
      case TAGS.numeric:
        return { tag: 'numeric', val: toText(bytes()) };
      case TAGS.text:
        return { tag: 'text', val: toText(bytes()) };
      case TAGS.bytes:
        return { tag: 'bytes', val: bytes().slice() };
      case TAGS.json:
        return { tag: 'json', val: toText(bytes()) };
      case TAGS.array:
        return { tag: 'array', val: toText(bytes()) };
      case TAGS.timestamp:
        return { tag: 'timestamp', val: view.getBigInt64(skip(8), true) };
      case TAGS.date:
        return { tag: 'date', val: view.getInt32(skip(4), true) };
      case TAGS.time:
        return { tag: 'time', val: view.getBigInt64(skip(8), true) };
      case TAGS.uuid:
        return { tag: 'uuid', val: [view.getBigUint64(skip(8)), view.getBigUint64(skip(8))] };
      default:
        return { tag: 'null' };
    }
  };
  return Array.from({ length: count }, () => Array.from({ length: columns }, next));
}
