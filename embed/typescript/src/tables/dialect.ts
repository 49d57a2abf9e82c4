/** Conditions, orders and names as the dialect's text. Values are escaped here, and nowhere else. */

import { checkText, toView } from '../bytes.js';
import { MantisError, invalid } from '../errors.js';
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
  const plain = plainValue(value);
  if (typeof plain !== 'object') return String(plain);
  return toJson(plain) ?? '';
}

function element(value: FilterValue): string {
  if (value === null) return 'NULL';
  return Array.isArray(value) ? text(value) : quoted(text(value));
}

/** Characters or bytes of one value, which is more than a row may have. */
const VALUE_LENGTH_MAX = 16 << 20;
/** Characters of the texts of a query, and of those of a definition. */
const QUERY_LENGTH_MAX = 4 << 20;
/** Characters of all rows of one statement, as JSON. */
const ROWS_LENGTH_MAX = 64 << 20;

/** Throws if something is longer than the store takes, before it is copied there. */
function checkLength(length: number, max: number, what: string): void {
  if (length <= max) return;
  throw new MantisError('54000', 'limit', `${what} is too long: ${length}; the limit is ${max}`);
}

/** Checks the texts of a query: names, filters, and so on. */
export function checkTexts(texts: readonly (string | undefined)[]): void {
  let length = 0;
  for (const text of texts) {
    if (text === undefined) continue;
    if (typeof text !== 'string')
      throw invalid('argument-invalid', 'the name of a table and the parts of a query are texts');
    length += text.length;
    checkLength(length, QUERY_LENGTH_MAX, 'the text of the query');
    checkText(text, 'a part of the query');
  }
}

/** The rows' values of these columns as JSON, a line for each, empty where none is given. */
export function toLines(rows: readonly { [column: string]: unknown }[], columns: readonly string[]): string {
  const lines: string[] = [];
  let length = 0;
  for (const row of rows) {
    for (const column of columns) {
      const line = toJson(row[column]) ?? '';
      length += line.length + 1;
      checkLength(length, ROWS_LENGTH_MAX, 'the JSON of the rows');
      lines.push(line);
    }
  }
  return lines.join('\n');
}

/** A definition, or a change of one, as JSON. */
export function toDefinition(document: unknown): string {
  const json = toJson(document) ?? '';
  checkLength(json.length, QUERY_LENGTH_MAX, 'the definition');
  return json;
}

/** An object of JavaScript that is one value: its text; anything else as it is. Of whatever realm. */
function plainValue(value: unknown): unknown {
  if (typeof value === 'string') {
    checkLength(value.length, VALUE_LENGTH_MAX, 'the value');
    return checkText(value);
  }
  if (typeof value === 'bigint') return String(value);
  if (typeof value !== 'object' || value === null) return value;
  if (Object.prototype.toString.call(value) === '[object Date]') {
    const time = (value as Date).getTime();
    if (Number.isNaN(time)) throw invalid('argument-invalid', 'the date is invalid');
    return new Date(time).toISOString();
  }
  const bytes = toView(value);
  if (bytes === null) return value;
  checkLength(bytes.length, VALUE_LENGTH_MAX, 'the value');
  return `\\x${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}

/** For `JSON.stringify`: `this` has a date as it was before `toJSON`. */
function replacer(this: { [key: string]: unknown }, key: string): unknown {
  checkText(key, 'a name');
  return plainValue(this[key]);
}

/** A value, a row or rows as JSON. Bytes are as `bytea` reads them; a bigint is text, which integers are read from too. */
export function toJson(value: unknown): string | undefined {
  try {
    return JSON.stringify(value, replacer);
  } catch (cause) {
    if (MantisError.is(cause)) throw cause;
    throw invalid('argument-invalid', `a value cannot be written as JSON: ${String(cause)}`, cause);
  }
}

/** One term of an order. */
export function orderTerm(column: string, { descending, nulls }: OrderOptions = {}): string {
  return `${field(column)}${descending ? '.desc' : ''}${nulls === undefined ? '' : `.nulls${nulls}`}`;
}
