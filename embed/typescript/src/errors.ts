/** What an error has besides its code, kind and message. */
export interface ErrorMembers {
  value?: unknown;
  details?: unknown;
  hint?: string | undefined;
  operation?: number | undefined;
  cause?: unknown;
}

/** An error as plain data, which crosses workers whole. */
export interface ErrorData {
  name: 'MantisError';
  code: string;
  kind: string;
  message: string;
  value?: unknown;
  details?: unknown;
  hint?: string;
  operation?: number;
  /** What led to it: what was thrown, or a server's answer. */
  cause?: unknown;
}

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

  constructor(code: string, kind: string, message: string, more: ErrorMembers = {}) {
    const { value, operation, cause } = more;
    const [details, hint] = [more.details ?? undefined, more.hint ?? undefined];
    const data = compact({ name: 'MantisError', code, kind, message, value, details, hint, operation, cause });
    // A structured clone of an error keeps its message and its cause only: all else is in the cause, too.
    super(message, { cause: data });
    const { name: _, message: __, cause: ___, ...members } = data;
    Object.assign(this, members);
    this.code = code;
    this.kind = kind;
  }

  /**
   * Whether something is an error of MantisDB: also one of another realm or another copy of this library, and the data of one. A
   * structured clone gets its members back, where the engine clones causes.
   */
  static is(thrown: unknown): thrown is MantisError {
    if (isData(thrown)) return true;
    if (Object.prototype.toString.call(thrown) !== '[object Error]' || !isData((thrown as Error).cause)) return false;
    const { message: _, cause: __, ...members } = (thrown as Error).cause as ErrorData;
    Object.assign(thrown as Error, members);
    return true;
  }

  /** The same for `instanceof`. */
  static override [Symbol.hasInstance](thrown: unknown): boolean {
    return MantisError.is(thrown);
  }

  /** The error of its data, as another worker received it. */
  static from(data: ErrorData): MantisError {
    return new MantisError(data.code, data.kind, data.message, data);
  }

  /** The error as plain data, for `postMessage` and `JSON.stringify`. `from` makes an error of it again. */
  toJSON(): ErrorData {
    const { cause: _, ...data } = this.cause as ErrorData;
    return data;
  }
}

function compact(data: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(data).filter(([, member]) => member !== undefined));
}

/** What led to an error: what was thrown, or a server's answer. */
export function causeOf(error: MantisError): unknown {
  return (error.cause as ErrorData).cause;
}

function isData(value: unknown): value is ErrorData {
  if (typeof value !== 'object' || value === null) return false;
  const { name, code, kind, message } = value as Partial<ErrorData>;
  return name === 'MantisError' && [code, kind, message].every((member) => typeof member === 'string');
}

/** The error of an invalid argument. */
export function invalid(code: string, message: string, cause?: unknown): MantisError {
  return new MantisError(code, 'invalid', message, cause === undefined ? {} : { cause });
}

/** What was thrown, as a `MantisError`. */
export function toMantisError(thrown: unknown): MantisError {
  if (MantisError.is(thrown)) return thrown;
  const said = thrown instanceof Error ? thrown.message : String(thrown);
  if (thrown instanceof TypeError)
    return invalid('argument-invalid', `an argument has the wrong type: ${said}`, thrown);
  if (thrown instanceof SyntaxError) {
    return new MantisError('answer-invalid', 'other', `the answer is none of MantisDB: ${said}`, { cause: thrown });
  }
  return new MantisError('internal', 'other', said, { cause: thrown });
}

/** Makes the promises of classes' asynchronous methods reject with `MantisError`s only. */
export function rejectCleanly(...classes: { prototype: object }[]): void {
  for (const { prototype } of classes) {
    for (const [name, { value: method }] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
      if (Object.prototype.toString.call(method) !== '[object AsyncFunction]') continue;
      const clean = function (this: unknown, ...given: unknown[]): Promise<unknown> {
        return (method as (...given: unknown[]) => Promise<unknown>).apply(this, given).catch((thrown: unknown) => {
          throw toMantisError(thrown);
        });
      };
      Object.defineProperty(prototype, name, { value: clean });
    }
  }
}

/** The error of every call after `close()`. */
export function closed(): MantisError {
  return invalid('closed', 'the database was closed');
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
