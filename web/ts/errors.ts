/** The failure of an operation. */
export class MantisError extends Error {
  override readonly name = 'MantisError';
  /** Stable and kebab-case, for programs: `conflict`, `key-too-long`. */
  readonly code: string;
  /** The family, which says what to do: `not-found`, `access-denied`, `invalid`, `limit`, `constraint`, `conflict`, ... */
  readonly kind: string;
  /** The error that a plugin returned, if `code` is `plugin-error`. */
  readonly value?: unknown;
  /** The server's advice, if it gives any. */
  readonly hint?: string;

  constructor(
    code: string,
    kind: string,
    message: string,
    more: { value?: unknown; hint?: string; cause?: unknown } = {},
  ) {
    super(message, 'cause' in more ? { cause: more.cause } : undefined);
    this.code = code;
    this.kind = kind;
    if ('value' in more) this.value = more.value;
    if (more.hint !== undefined) this.hint = more.hint;
  }
}

/** The error of an invalid argument. */
export function invalid(code: string, message: string): MantisError {
  return new MantisError(code, 'invalid', message);
}
