/** Conditions, orders and names as the dialect's text. Values are escaped here, and nowhere else. */

import { invalid } from '../errors.js';
import type { Condition, FilterOperator, FilterValue, OrderOptions } from './api.js';

/** A parameter: its name and its value. */
export type Parameter = [name: string, value: string];

/** Words of the dialect, which are names of columns in quotes only. */
const WORDS = /^(select|columns|on_conflict|order|limit|offset|having|and|or|not)$/;

/** A name of a column or path as the caller writes it. */
function field(column: string): string {
  return WORDS.test(column) ? `"${column}"` : column;
}

/** A name that is one, whatever its characters. */
export function name(text: string): string {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(text) && !WORDS.test(text) ? text : quoted(text);
}

function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}

/** A condition as a parameter of its own. */
export function parameter(condition: Condition, negated = ''): Parameter {
  if ('not' in condition) return parameter(condition.not, negated === '' ? 'not.' : '');
  if ('any' in condition) return [`${negated}or`, group(condition.any)];
  if ('all' in condition) return [`${negated}and`, group(condition.all)];
  const [column, operator, value] = condition;
  return [field(column), `${negated}${operator}.${operand(operator, value)}`];
}

function group(conditions: readonly Condition[]): string {
  return `(${conditions.map((condition) => member(condition)).join(',')})`;
}

/** A condition within a group, where a text that has the group's own characters stands in quotes. */
function member(condition: Condition, negated = ''): string {
  if ('not' in condition) return member(condition.not, negated === '' ? 'not.' : '');
  if ('any' in condition) return `${negated}or${group(condition.any)}`;
  if ('all' in condition) return `${negated}and${group(condition.all)}`;
  const [column, operator, value] = condition;
  return `${field(column)}.${negated}${within(operator, operand(operator, value))}`;
}

/** A parameter as it stands within a group. */
export function grouped([name, value]: Parameter): string {
  const [, operator, text] = /^((?:not\.)?[a-z]+(?:\([a-z]+\))?)\.(.*)$/s.exec(value) ?? [];
  return `${name}.${operator === undefined || text === undefined ? value : within(operator as FilterOperator, text)}`;
}

function within(operator: FilterOperator, text: string): string {
  const isPlain = base(operator) === 'in' || base(operator) === 'is' || /^[\w.*:+-]+$/.test(text);
  return `${operator}.${isPlain ? text : quoted(text)}`;
}

/** The operator without what stands before and after it. */
function base(operator: FilterOperator): string {
  return operator.replace(/^not\.|\(.*$/g, '');
}

function operand(operator: FilterOperator, value: FilterValue): string {
  if (base(operator) === 'is') return String(value);
  if (base(operator) !== 'in') return text(value);
  if (!Array.isArray(value)) throw invalid('argument-invalid', 'in takes a list of values');
  return `(${value.map((element: FilterValue) => quoted(text(element))).join(',')})`;
}

/** A value as its type reads it. */
export function text(value: FilterValue): string {
  if (value === null || value === undefined) {
    throw invalid('argument-invalid', 'null equals nothing; compare it with is');
  }
  if (Array.isArray(value)) return `{${value.map(element).join(',')}}`;
  if (typeof value !== 'object') return String(value);
  const plain = plainValue(value);
  return typeof plain === 'string' ? plain : JSON.stringify(plain, replacer);
}

function element(value: FilterValue): string {
  if (value === null) return 'NULL';
  return Array.isArray(value) ? text(value) : quoted(text(value));
}

/** An object of JavaScript that is one value: its text; anything else as it is. */
function plainValue(value: unknown): unknown {
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) {
    return `\\x${Array.from(value, (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
  }
  return typeof value === 'bigint' ? String(value) : value;
}

/** For `JSON.stringify`: `this` has a date as it was before `toJSON`. */
function replacer(this: { [key: string]: unknown }, key: string): unknown {
  return plainValue(this[key]);
}

/** A value, a row or rows as JSON. Bytes are as `bytea` reads them; a bigint is text, which integers are read from too. */
export function toJson(value: unknown): string | undefined {
  return JSON.stringify(value, replacer);
}

/** One term of an order. */
export function orderTerm(column: string, { descending, nulls }: OrderOptions = {}): string {
  return `${field(column)}${descending ? '.desc' : ''}${nulls === undefined ? '' : `.nulls${nulls}`}`;
}
