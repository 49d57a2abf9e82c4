// The objects of answers about tables. Bytes arrive as views of WebAssembly's memory, and are read here.

const decoder = new TextDecoder();

export function failure(code, message, details, isJson, hint) {
  return { code, message, details: isJson ? JSON.parse(details) : details, hint };
}

export function selected(rows, total, version) {
  return { rows: decoder.decode(rows), total, version };
}

export function written(count, version, durable, rows) {
  return { count, version, durable, rows: rows && decoder.decode(rows) };
}

export function created(isNew, definition) {
  return { isNew, definition };
}
