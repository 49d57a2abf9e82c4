const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Bytes as text where they are text; else byte by byte, with those that are no visible ASCII as `\xff`. Long ones are cut. */
export function show(bytes: Uint8Array, lengthMax = 120): string {
  const text = textOf(bytes) ?? Array.from(bytes.subarray(0, lengthMax), showByte).join('');
  return text.length > lengthMax ? `${text.slice(0, lengthMax)} …` : text;
}

function textOf(bytes: Uint8Array): string | null {
  try {
    return decoder.decode(bytes);
  } catch {
    return null;
  }
}

function showByte(byte: number): string {
  return byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`;
}

/** When something will be, as a distance from now. */
export function showDeadline(deadlineMs: number | null): string {
  if (deadlineMs === null) return 'never';
  const seconds = Math.ceil((deadlineMs - Date.now()) / 1000);
  return seconds > 0 ? `in ${seconds} s` : 'now';
}
