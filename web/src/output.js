// The objects of answers. WebAssembly makes each in one call.
// Bytes arrive as views of its memory, which the next call may reuse or move, and are copied here.

export function bytes(value) {
  return value.slice();
}

export function failure(code, kind, message) {
  return { code, kind, message };
}

export function entry(key, value, mediaType, version, modifiedAtMs, expiresAtMs) {
  return {
    key: key.slice(),
    value: value.slice(),
    mediaType,
    version,
    modifiedAtMs,
    expiresAtMs: expiresAtMs ?? null,
  };
}

export function written(version, durable) {
  return { version, durable };
}

export function accepted(version, durable) {
  return { written: true, version, durable };
}

export function deleted(existed, version, durable) {
  return { existed, version, durable };
}

export function deletedKeys(keys, version, durable) {
  return { keys, version, durable };
}

export function counted(number, version, durable) {
  return { number, version, durable };
}

export function refused(current) {
  return { written: false, current };
}

export function committed(version, durable, results) {
  return { committed: true, version, durable, results };
}

export function rejected(refusals) {
  return { committed: false, refusals };
}

export function refusal(index, current) {
  return { index, current };
}

export function page(items, cursor) {
  return { items, cursor: cursor?.slice() ?? null };
}

export function change(put, bucket, key, value, mediaType, expiresAtMs, version, previousVersion, timeMs, cursor) {
  return {
    kind: put ? 'put' : 'delete',
    bucket,
    key: key.slice(),
    value: value?.slice() ?? null,
    mediaType: mediaType ?? null,
    expiresAtMs: expiresAtMs ?? null,
    version,
    previousVersion: previousVersion ?? null,
    timeMs,
    cursor,
  };
}

export function changes(items, cursor, atEnd) {
  return { items, cursor, atEnd };
}

export function bucket(name, keys, bytes) {
  return { name, keys, bytes };
}

export function figures(names, numbers) {
  return Object.fromEntries(names.split(' ').map((name, index) => [name, numbers[index]]));
}
