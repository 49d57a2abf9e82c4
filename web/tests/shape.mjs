/** Runs in the page: makes `shown`, which turns answers into what can be compared outside: `5n` becomes `'5n'`, bytes an array. */
export function shape() {
  window.shown = (value) => {
    if (typeof value === 'bigint') return `${value}n`;
    if (value instanceof Uint8Array) return Array.from(value);
    if (Array.isArray(value)) return value.map(window.shown);
    if (value instanceof Error) return { code: value.code, kind: value.kind };
    if (typeof value === 'object' && value !== null) {
      return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, window.shown(item)]));
    }
    return value;
  };
}
