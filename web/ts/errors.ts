/** The failure of an operation. */
export class MantisError extends Error {
  override readonly name = 'MantisError';
  /** Stable, for programs: `conflict`, `key-too-long`; of tables a SQLSTATE or PostgREST's code: `23505`, `PGRST205`. */
  readonly code: string;
  /** The family, which says what to do: `not-found`, `access-denied`, `invalid`, `limit`, `constraint`, `conflict`, ... */
  readonly kind: string;
  /** The error that a plugin returned, if `code` is `plugin-error`. */
  readonly value?: unknown;
  /** Which value, row or constraint, where an error of tables says it. */
  readonly details?: unknown;
  /** Advice, where there is any. */
  readonly hint?: string;
  /** The index of the operation of a batch that failed. */
  readonly operation?: number;

  constructor(
    code: string,
    kind: string,
    message: string,
    more: {
      value?: unknown;
      details?: unknown;
      hint?: string | undefined;
      operation?: number | undefined;
      cause?: unknown;
    } = {},
  ) {
    super(message, 'cause' in more ? { cause: more.cause } : undefined);
    this.code = code;
    this.kind = kind;
    if ('value' in more) this.value = more.value;
    if (more.details !== undefined && more.details !== null) this.details = more.details;
    if (more.hint !== undefined && more.hint !== null) this.hint = more.hint;
    if (more.operation !== undefined) this.operation = more.operation;
  }
}

/** The error of an invalid argument. */
export function invalid(code: string, message: string): MantisError {
  return new MantisError(code, 'invalid', message);
}

/** What an error of tables says, in the page and over HTTP. */
export interface TableFailure {
  code: string;
  message: string;
  details?: unknown;
  hint?: string | undefined;
  operation?: number | undefined;
}

/** Whether a code is one of tables: a SQLSTATE, or one of PostgREST's. */
export function isTableCode(code: string): boolean {
  return /^(PGRST\d{3}|[0-9A-Z]{5})$/.test(code);
}

/** The families of the codes of tables, by how they begin; `invalid` for the rest. */
const TABLE_KINDS: [RegExp, string][] = [
  [/^23/, 'constraint'],
  [/^40001/, 'conflict'],
  [/^42501/, 'access-denied'],
  [/^PGRST20[25]/, 'not-found'],
  [/^(53|54|57014)/, 'limit'],
  [/^(57P01|58)/, 'read-only'],
  [/^XX/, 'other'],
];

/** The error of a failure of tables. */
export function tableError({ code, message, ...more }: TableFailure, cause?: unknown): MantisError {
  const { details, hint, operation } = more;
  // A server has a name for it.
  if (code === 'PT412')
    return new MantisError('precondition-failed', 'constraint', message, { details, hint, operation });
  const kind = TABLE_KINDS.find(([pattern]) => pattern.test(code))?.[1] ?? 'invalid';
  return new MantisError(code, kind, message, { details, hint, operation, ...(cause === undefined ? {} : { cause }) });
}
