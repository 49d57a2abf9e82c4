/** WIT's kebab-case as the JavaScript that `jco` makes spells it. */
export function camelCase(name: string): string {
  return name.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
