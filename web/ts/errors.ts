/** What an operation failed with. */
export class MantisError extends Error {
  override readonly name = 'MantisError';
  /** Stable and kebab-case, for programs: `conflict`, `key-too-long`. */
  readonly code: string;
  /** The family: what to do about it. `not-found`, `access-denied`, `invalid`, `limit`, `constraint`, `conflict`, ... */
  readonly kind: string;
  /** What a plugin returned as its own error, when `code` is `plugin-error`. */
  readonly value?: unknown;
  /** The server's advice, where it gives one. */
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

/** An argument that can never be right. */
export function invalid(code: string, message: string): MantisError {
  return new MantisError(code, 'invalid', message);
}
