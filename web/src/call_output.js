// The objects of answers to plugins' calls on tables. Bytes arrive as views of WebAssembly's memory, and are copied here.

export function failure(code, kind, message) {
  return { code, kind, message };
}

export function rows(columns, data, count, version) {
  return { columns, data: data.slice(), count, version };
}

export function changed(count, version, durable, returned) {
  return { count, version, durable, returned };
}
