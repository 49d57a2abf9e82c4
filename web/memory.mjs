// Limits the memory of a core module: the browser enforces what the module itself declares.

const MEMORY_SECTION = 5;
/** Magic and version. */
const HEAD_BYTES = 8;
const HAS_MAXIMUM = 1;

/** The module with at most `pagesMax` pages of 64 KiB in each memory that it defines. */
export function limitMemory(module, pagesMax) {
  const parts = [module.subarray(0, HEAD_BYTES)];
  for (let at = HEAD_BYTES; at < module.length;) {
    const size = readNumber(module, at + 1);
    const end = size.next + size.value;
    const section = module.subarray(at, end);
    const isMemory = module[at] === MEMORY_SECTION;
    parts.push(isMemory ? memorySection(module.subarray(size.next, end), pagesMax) : section);
    at = end;
  }
  return Buffer.concat(parts);
}

function memorySection(content, pagesMax) {
  const count = readNumber(content, 0);
  const memories = [];
  let at = count.next;
  for (let n = 0; n < count.value; n++) {
    const flags = content[at];
    if (flags > HAS_MAXIMUM) throw new Error('a memory is shared or has 64-bit addresses');
    const minimum = readNumber(content, at + 1);
    const maximum = flags & HAS_MAXIMUM ? readNumber(content, minimum.next) : { value: pagesMax, next: minimum.next };
    if (minimum.value > pagesMax)
      throw new Error(`a memory begins with ${minimum.value} pages; the limit is ${pagesMax}`);
    memories.push(HAS_MAXIMUM, ...writeNumber(minimum.value), ...writeNumber(Math.min(maximum.value, pagesMax)));
    at = maximum.next;
  }
  const body = [...writeNumber(count.value), ...memories];
  return Uint8Array.from([MEMORY_SECTION, ...writeNumber(body.length), ...body]);
}

/** Reads an unsigned LEB128 number. */
function readNumber(bytes, at) {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++];
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return { value, next: at };
  }
}

function writeNumber(value) {
  const bytes = [];
  do {
    bytes.push((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
    value = Math.floor(value / 128);
  } while (value > 0);
  return bytes;
}
