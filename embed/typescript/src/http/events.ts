/** Server-Sent Events as they arrive, parsed by the rules of the HTML standard. */

/** An event. An `id` without data only moves the cursor. */
export interface ServerEvent {
  id: string | null;
  event: string;
  data: string | null;
}

export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerEvent, undefined> {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let text = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return undefined;
      text += value;
      // Complete events only: a line may continue in the next piece. The server ends its lines with a single line feed.
      let end: number;
      while ((end = text.indexOf('\n\n')) >= 0) {
        yield parse(text.slice(0, end));
        text = text.slice(end + 2);
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined);
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
