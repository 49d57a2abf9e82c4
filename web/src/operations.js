// The objects of answers to batches. Bytes arrive as views of WebAssembly's memory, and are read here.

const decoder = new TextDecoder();

export function rows(json) {
  return decoder.decode(json);
}

export function changed(affected, inserted, json) {
  return { affected, inserted, json: json && decoder.decode(json) };
}

export function keyRefusal(index, version) {
  return { index, version };
}

export function rowRefusal(index, matched, version) {
  return { index, matched, version };
}

export function committed(version, durable, results) {
  return { committed: true, version, durable, results };
}

export function refused(refusals) {
  return { committed: false, refusals };
}

export function at(failure, index) {
  return index === undefined
    ? failure
    : { ...failure, message: `operation ${index}: ${failure.message}`, operation: index };
}
