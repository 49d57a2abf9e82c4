/** Server-Sent Events as they arrive, parsed by the rules of the HTML standard. */

import { MantisError } from '../errors.js';

/** Longer than an event with the largest value. */
const EVENT_CHARACTERS_MAX = 128 << 20;

/** An event. An `id` without data only moves the cursor. */
export interface ServerEvent {
  id: string | null;
  event: string;
  data: string | null;
}

/** Throws `unreachable` when nothing has come for so long. */
export async function* readEvents(
  body: ReadableStream<Uint8Array>,
  silenceMs: number,
): AsyncGenerator<ServerEvent, undefined> {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  // An event comes in pieces, which are searched once each.
  let pieces: string[] = [];
  let length = 0;
  let endsInBreak = false;
  try {
    for (;;) {
      const { done, value } = await within(silenceMs, reader.read());
      if (done) return undefined;
      let rest = value;
      // The server ends its lines with a single line feed; an empty line ends an event, and may be in the next piece.
      for (;;) {
        const end = endsInBreak && rest.startsWith('\n') ? 0 : rest.indexOf('\n\n') + 1;
        if (end === 0 && !(endsInBreak && rest.startsWith('\n'))) break;
        pieces.push(rest.slice(0, end));
        yield parse(pieces.join(''));
        pieces = [];
        length = 0;
        endsInBreak = false;
        rest = rest.slice(end + 1);
      }
      if (rest === '') continue;
      pieces.push(rest);
      length += rest.length;
      endsInBreak = rest.endsWith('\n');
      if (length > EVENT_CHARACTERS_MAX) {
        throw new MantisError('answer-invalid', 'other', 'the server sends an event that has no end');
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<never>((_, reject) => {
    const error = new MantisError('unreachable', 'other', `the server has said nothing for ${ms} ms`);
    timer = setTimeout(reject, ms, error);
  });
  try {
    return await Promise.race([promise, silence]);
  } finally {
    clearTimeout(timer);
  }
}

function parse(block: string): ServerEvent {
  const event: ServerEvent = { id: null, event: 'message', data: null };
  for (const line of block.split('\n')) {
    const [, name, value] = /^([a-z]+): ?(.*)$/.exec(line) ?? [];
    if (value === undefined) continue;
    if (name === 'id') event.id = value;
    else if (name === 'event') event.event = value;
    else if (name === 'data') event.data = event.data === null ? value : `${event.data}\n${value}`;
  }
  return event;
}
