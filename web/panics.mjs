// Takes what only panics use out of a build: their messages reach nobody in a page, where a panic is a trap. The functions that never
// return become that trap themselves, so that wasm-opt drops the code that prepares their arguments, and the places in the source that
// they name become zeros, which are not stored.

/** Those functions of the standard library, as wasm-bindgen names them. */
const NEVER_RETURN = new RegExp(
  [
    '^core::panicking::(?!panic_nounwind$)',
    '^core::(option|result)::(unwrap_failed|expect_failed)$',
    '^core::cell::panic_\\w+$',
    '^core::slice::index::slice_\\w*fail$',
    '^core::str::slice_error_fail(_rt)?$',
    '::len_mismatch_fail$',
    '::panic_on_ord_violation$',
    '^alloc::alloc::handle_alloc_error$',
    '^alloc::raw_vec::(handle_error|capacity_overflow)$',
    '^std::thread::local::panic_access_error$',
    '^__rustc::rust_begin_unwind$',
  ].join('|'),
);
const [CUSTOM, IMPORT, CODE, DATA] = [0, 2, 10, 11];
/** No locals, `unreachable`, `end`, after their length. */
const TRAP = [3, 0, 0x00, 0x0b];

class Reader {
  constructor(bytes, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }

  byte() {
    return this.bytes[this.at++];
  }

  /** An unsigned LEB128 of at most 32 bits. */
  number() {
    let [value, shift, byte] = [0, 0, 0x80];
    while (byte & 0x80) {
      byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      shift += 7;
    }
    return value;
  }

  /** The next bytes, the same memory. */
  take(length) {
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  text() {
    return Buffer.from(this.take(this.number())).toString();
  }
}

function encoded(value) {
  const bytes = [];
  for (; value > 0x7f; value = Math.floor(value / 128)) bytes.push((value & 0x7f) | 0x80);
  return [...bytes, value];
}

function* sections(bytes) {
  const reader = new Reader(bytes, 8);
  while (reader.at < bytes.length) {
    const from = reader.at;
    const id = reader.byte();
    const content = reader.take(reader.number());
    yield { id, content, whole: bytes.subarray(from, reader.at) };
  }
}

/** How many functions are imported: the others are numbered after them. */
function importedFunctions(content) {
  const reader = new Reader(content);
  const limits = () => {
    const hasMax = reader.byte() & 1;
    reader.number();
    if (hasMax) reader.number();
  };
  let functions = 0;
  for (let left = reader.number(); left > 0; left--) {
    reader.text();
    reader.text();
    const kind = reader.byte();
    if (kind === 0) {
      reader.number();
      functions++;
    } else if (kind === 1) {
      reader.byte();
      limits();
    } else if (kind === 2) limits();
    else if (kind === 3) reader.take(2);
    else throw new Error(`import of kind ${kind}`);
  }
  return functions;
}

/** The numbers of the functions that never return, by the section of names. */
function neverReturning(content) {
  const reader = new Reader(content);
  const found = new Set();
  if (reader.text() !== 'name') return found;
  while (reader.at < content.length) {
    const kind = reader.byte();
    const names = new Reader(reader.take(reader.number()));
    if (kind !== 1) continue;
    for (let left = names.number(); left > 0; left--) {
      const index = names.number();
      if (NEVER_RETURN.test(names.text().replace(/::h[0-9a-f]{16}$|\[[0-9a-f]+\]/g, ''))) found.add(index);
    }
  }
  return found;
}

function trapping(content, imported, traps) {
  const reader = new Reader(content);
  const count = reader.number();
  const bodies = [Uint8Array.from(encoded(count))];
  for (let index = imported; index < imported + count; index++) {
    const from = reader.at;
    reader.take(reader.number());
    bodies.push(traps.has(index) ? Uint8Array.from(TRAP) : content.subarray(from, reader.at));
  }
  const body = Buffer.concat(bodies);
  return Buffer.concat([Uint8Array.from([CODE, ...encoded(body.length)]), body]);
}

/** The segments of the memory: an address and the bytes from there. */
function segments(content) {
  const reader = new Reader(content);
  const found = [];
  for (let left = reader.number(); left > 0; left--) {
    const [kind, constant] = [reader.byte(), reader.byte()];
    if (kind !== 0 || constant !== 0x41) throw new Error('a segment without a fixed address');
    // Signed, but below 2^31.
    const address = reader.number();
    reader.byte();
    found.push({ address, bytes: reader.take(reader.number()) });
  }
  return found;
}

/** Blanks each place in the source (`core::panic::Location`: a file's name by address and length, line, column), and the names. */
function blankPlaces(data) {
  const within = (address, length) => {
    const holder = data.find((one) => one.address <= address && address + length <= one.address + one.bytes.length);
    return holder?.bytes.subarray(address - holder.address, address - holder.address + length);
  };
  const names = new Set();
  for (const { address, bytes } of data) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = -address & 3; at + 16 <= bytes.length; at += 4) {
      const [name, length, line, column] = [0, 4, 8, 12].map((offset) => view.getUint32(at + offset, true));
      if (length < 4 || length > 300 || line === 0 || line > 50_000 || column === 0 || column > 500) continue;
      const text = within(name, length);
      if (!text || !/^[\x21-\x7e]+\.rs$/.test(Buffer.from(text).toString('latin1'))) continue;
      names.add(text);
      bytes.fill(0, at, at + 16);
    }
  }
  // One name may be the end of another: all are read first.
  for (const name of names) name.fill(0);
}

/** The same module, whose panics only trap. Its functions have their names. */
export function withoutPanics(given) {
  const bytes = Uint8Array.from(given);
  const parts = [...sections(bytes)];
  const imported = parts
    .filter(({ id }) => id === IMPORT)
    .reduce((sum, { content }) => sum + importedFunctions(content), 0);
  const named = parts.filter(({ id }) => id === CUSTOM).map(({ content }) => neverReturning(content));
  const traps = new Set(named.flatMap((indexes) => [...indexes]));
  if (traps.size === 0) throw new Error('no function that panics: is the section of names there?');
  const data = parts.filter(({ id }) => id === DATA).flatMap(({ content }) => segments(content));
  blankPlaces(data);
  const written = parts.map(({ id, content, whole }) => (id === CODE ? trapping(content, imported, traps) : whole));
  return Buffer.concat([bytes.subarray(0, 8), ...written]);
}
