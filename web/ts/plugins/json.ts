/**
 * Conversion between JSON and a component's values, in the JavaScript form of `jco`. The rules are those of a server:
 *
 * | WIT | JSON |
 * |---|---|
 * | integers | number; decimal text beyond 2^53 - 1. Both are accepted |
 * | f32, f64 | number; `"NaN"`, `"Infinity"`, `"-Infinity"` |
 * | list<u8> | text if it is UTF-8, else `{"base64": ".."}`; an array of numbers is accepted too |
 * | record | object, names in kebab-case |
 * | option | the value or null; an option in an option is `{"some": ..}` or null |
 * | result | `{"ok": ..}` or `{"err": ..}` |
 * | variant | `"case"`, or `{"case": payload}` |
 * | enum, flags | text, array of texts |
 */

import {
  camelCase,
  type Field,
  fromBase64,
  type Json,
  type JsonObject,
  MantisError,
  toBase64,
  toBytes,
  toCallJson,
  toTextStrictly,
  type ValueType,
} from '../client.js';

const INTEGERS: Record<string, [bigint, bigint]> = {
  s8: [-(2n ** 7n), 2n ** 7n - 1n],
  u8: [0n, 2n ** 8n - 1n],
  s16: [-(2n ** 15n), 2n ** 15n - 1n],
  u16: [0n, 2n ** 16n - 1n],
  s32: [-(2n ** 31n), 2n ** 31n - 1n],
  u32: [0n, 2n ** 32n - 1n],
  s64: [-(2n ** 63n), 2n ** 63n - 1n],
  u64: [0n, 2n ** 64n - 1n],
};

/** The largest integer that is exact in every JSON implementation. */
const EXACT_MAX = BigInt(Number.MAX_SAFE_INTEGER);

/** A copy of the arguments, checked as {@link toCallJson} does. Unlike their JSON it keeps the sign of -0. */
export function toCallArguments<T extends Json[] | JsonObject>(args: T): T {
  toCallJson(args);
  return copyOf(args) as T;
}

function copyOf(value: Json): Json {
  if (Array.isArray(value)) return value.map(copyOf);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, copyOf(member)]));
}

/** The arguments in order, from an array or from an object by parameter name. */
export function toArguments(params: Field[], args: Json[] | JsonObject): unknown[] {
  if (!Array.isArray(args)) return Object.values(fromFields(params, expectObject(args, 'arguments'), ''));
  if (args.length > params.length) {
    throw unfit('arguments', `the function takes ${params.length} arguments, not ${args.length}`);
  }
  return params.map((param, index) => member(param, args[index], ''));
}

/** A component's value from JSON. `place` names it in errors. */
export function toGuest(type: ValueType, json: Json, place: string): unknown {
  if (typeof type === 'string') return toSimple(type, json, place);
  if ('list' in type)
    return expectArray(json, place).map((item, index) => toGuest(type.list, item, `${place}[${index}]`));
  if ('record' in type) return fromFields(type.record, expectObject(json, place), place);
  if ('tuple' in type) {
    const items = expectArray(json, place);
    if (items.length !== type.tuple.length) throw unfit(place, `must have ${type.tuple.length} items`);
    return type.tuple.map((item, index) => toGuest(item, items[index] as Json, `${place}[${index}]`));
  }
  if ('option' in type) return toOption(type.option, json, place);
  if ('result' in type) {
    const { name, payload } = theCase(expectObject(json, place), place);
    if (name !== 'ok' && name !== 'err') throw unfit(place, 'must be {"ok": ..} or {"err": ..}');
    return { tag: name, val: toPayload(type.result[name], payload, `${place}.${name}`) };
  }
  if ('variant' in type) {
    const { name, payload } = theCase(json, place);
    const found = type.variant.find((candidate) => candidate.name === name);
    if (found === undefined) throw unfit(place, `must be one of ${type.variant.map((item) => item.name).join(', ')}`);
    const val = toPayload(found.payload, payload, `${place}.${name}`);
    return found.payload === null ? { tag: name } : { tag: name, val };
  }
  if ('enum' in type) {
    if (typeof json !== 'string' || !type.enum.includes(json))
      throw unfit(place, `must be one of ${type.enum.join(', ')}`);
    return json;
  }
  const set = expectArray(json, place);
  const unknown = set.find((flag) => typeof flag !== 'string' || !type.flags.includes(flag));
  if (unknown !== undefined) throw unfit(place, `must hold only ${type.flags.join(', ')}`);
  return Object.fromEntries(type.flags.map((flag) => [camelCase(flag), set.includes(flag)]));
}

/** JSON from a component's value. */
export function fromGuest(type: ValueType, value: unknown): Json {
  if (typeof type === 'string') return fromSimple(type, value);
  if ('list' in type) return Array.from(value as Iterable<unknown>, (item) => fromGuest(type.list, item));
  if ('record' in type) {
    const record = value as Record<string, unknown>;
    return Object.fromEntries(type.record.map(({ name, type }) => [name, fromGuest(type, record[camelCase(name)])]));
  }
  if ('tuple' in type) return type.tuple.map((item, index) => fromGuest(item, (value as unknown[])[index]));
  if ('option' in type) return fromOption(type.option, value);
  if ('result' in type) {
    const { tag, val } = value as { tag: 'ok' | 'err'; val: unknown };
    const payload = type.result[tag];
    return { [tag]: payload === null ? null : fromGuest(payload, val) };
  }
  if ('variant' in type) {
    const { tag, val } = value as { tag: string; val?: unknown };
    const payload = type.variant.find((candidate) => candidate.name === tag)?.payload ?? null;
    return payload === null ? tag : { [tag]: fromGuest(payload, val) };
  }
  if ('enum' in type) return value as string;
  const flags = value as Record<string, boolean>;
  return type.flags.filter((flag) => flags[camelCase(flag)]);
}

function toSimple(type: string, json: Json, place: string): unknown {
  const range = INTEGERS[type];
  if (range !== undefined) return toIntegerOf(range, json, place, type.endsWith('64'));
  switch (type) {
    case 'bool':
      if (typeof json !== 'boolean') throw unfit(place, 'must be true or false');
      return json;
    case 'f32':
    case 'f64':
      if (typeof json === 'number') return json;
      if (json === 'NaN' || json === 'Infinity' || json === '-Infinity') return Number(json);
      throw unfit(place, 'must be a number');
    case 'char':
      if (typeof json !== 'string' || [...json].length !== 1) throw unfit(place, 'must be one character');
      return json;
    case 'bytes':
      return toBytesOf(json, place);
    default:
      if (typeof json !== 'string') throw unfit(place, 'must be text');
      return json;
  }
}

function toIntegerOf([min, max]: [bigint, bigint], json: Json, place: string, wide: boolean): bigint | number {
  // A number as its digits in JSON, as a server reads it.
  const digits = typeof json === 'number' ? JSON.stringify(json) : json;
  if (typeof digits !== 'string' || !/^[+-]?[0-9]{1,40}$/.test(digits)) {
    throw unfit(place, 'must be a whole number, as decimal text beyond 2^53');
  }
  const integer = digits.startsWith('+') ? BigInt(digits.slice(1)) : BigInt(digits);
  if (integer < min || integer > max) throw unfit(place, `must be between ${min} and ${max}`);
  return wide ? integer : Number(integer);
}

function toBytesOf(json: Json, place: string): Uint8Array {
  if (typeof json === 'string') return toBytes(json);
  if (Array.isArray(json)) {
    if (json.every((byte) => Number.isInteger(byte) && (byte as number) >= 0 && (byte as number) <= 255)) {
      return Uint8Array.from(json as number[]);
    }
  } else if (
    typeof json === 'object' &&
    json !== null &&
    typeof json.base64 === 'string' &&
    Object.keys(json).length === 1
  ) {
    try {
      return fromBase64(json.base64);
    } catch {
      throw unfit(place, 'holds text that is not base64');
    }
  }
  throw unfit(place, 'must be text, {"base64": ..}, or an array of numbers from 0 to 255');
}

function isOption(type: ValueType): boolean {
  return typeof type === 'object' && 'option' in type;
}

/** `jco` also tags an option in an option: otherwise none and some none would be the same. */
function toOption(type: ValueType, json: Json, place: string): unknown {
  if (!isOption(type)) return json === null ? undefined : toGuest(type, json, place);
  if (json === null) return { tag: 'none' };
  const { name, payload } = theCase(json, place);
  if (name !== 'some' || payload === undefined) throw unfit(place, 'must be {"some": ..} or null');
  return { tag: 'some', val: toGuest(type, payload, place) };
}

function fromOption(type: ValueType, value: unknown): Json {
  if (!isOption(type)) return value === undefined ? null : fromGuest(type, value);
  const { tag, val } = value as { tag: string; val?: unknown };
  return tag === 'none' ? null : { some: fromGuest(type, val) };
}

function fromFields(fields: Field[], object: JsonObject, place: string): Record<string, unknown> {
  const unknown = Object.keys(object).find((name) => !fields.some((field) => field.name === name));
  if (unknown !== undefined) throw unfit(place || 'arguments', `has no ${JSON.stringify(unknown)}`);
  return Object.fromEntries(fields.map((field) => [camelCase(field.name), member(field, object[field.name], place)]));
}

/** A missing optional member is none; any other is required. */
function member({ name, type }: Field, json: Json | undefined, place: string): unknown {
  const here = place === '' ? name : `${place}.${name}`;
  if (json === undefined && !isOption(type)) throw unfit(here, 'is missing');
  return toGuest(type, json ?? null, here);
}

function fromSimple(type: string, value: unknown): Json {
  if (type === 'bytes') {
    const bytes = value as Uint8Array;
    return toTextStrictly(bytes) ?? { base64: toBase64(bytes) };
  }
  if (typeof value === 'bigint') return value >= -EXACT_MAX && value <= EXACT_MAX ? Number(value) : value.toString();
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  return type === 'f32' ? shortest(value as number) : (value as Json);
}

/** The shortest number that is equal in 32 bits, so that 0.1 stays 0.1. */
function shortest(number: number): number {
  // The text of -0 has no sign.
  if (number === 0) return number;
  for (let digits = 1; digits < 9; digits++) {
    const candidate = Number(number.toPrecision(digits));
    if (Math.fround(candidate) === number) return candidate;
  }
  return number;
}

function theCase(json: Json, place: string): { name: string; payload?: Json } {
  if (typeof json === 'string') return { name: json };
  const entries = Object.entries(expectObject(json, place));
  const [only] = entries;
  if (entries.length !== 1 || only === undefined) throw unfit(place, 'must be text or an object with one case');
  return { name: only[0], payload: only[1] };
}

function toPayload(type: ValueType | null, payload: Json | undefined, place: string): unknown {
  if (type === null) {
    if (payload != null) throw unfit(place, 'carries nothing');
    return undefined;
  }
  if (payload === undefined && !isOption(type)) throw unfit(place, 'carries a value');
  return toGuest(type, payload ?? null, place);
}

function expectArray(json: Json, place: string): Json[] {
  if (!Array.isArray(json)) throw unfit(place, 'must be an array');
  return json;
}

function expectObject(json: Json, place: string): JsonObject {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw unfit(place, 'must be an object');
  return json;
}

function unfit(place: string, problem: string): MantisError {
  return new MantisError('arguments-invalid', 'invalid', `${place}: ${problem}`);
}
