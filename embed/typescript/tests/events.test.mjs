// The reader of feeds, with what no server sends on purpose.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readEvents } from '../dist/http/events.js';

const EVENTS = [
  { id: 'a-1', event: 'put', data: '{"key":"ä🦀"}' },
  { id: 'a-2', event: 'message', data: 'two\nlines' },
  { id: 'a-3', event: 'message', data: null },
  { id: null, event: 'message', data: null },
  { id: null, event: 'error', data: '' },
];
const TEXT =
  'id: a-1\nevent: put\ndata: {"key":"ä🦀"}\n\ndata: two\nid:a-2\ndata:lines\n\n: hint\nid: a-3\n\nretry: 1000\n\nevent: error\ndata:\n\n';

/** The events of bytes that come in pieces. */
async function read(pieces, silenceMs = 10_000) {
  const body = new ReadableStream({
    pull(controller) {
      const piece = pieces.shift();
      if (piece === undefined) controller.close();
      else controller.enqueue(piece);
    },
  });
  const events = [];
  for await (const event of readEvents(body, silenceMs)) events.push(event);
  return events;
}

test('events are the same in whatever pieces they come', async () => {
  const bytes = new TextEncoder().encode(TEXT);
  assert.deepEqual(await read([bytes]), EVENTS);
  for (let size = 1; size < 40; size++) {
    const pieces = [];
    for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.slice(at, at + size));
    assert.deepEqual(await read(pieces), EVENTS, `pieces of ${size}`);
  }
  for (let round = 0; round < 200; round++) {
    const cuts = Array.from({ length: 6 }, () => Math.floor(Math.random() * bytes.length)).sort((a, b) => a - b);
    const pieces = [0, ...cuts].map((cut, index) => bytes.slice(cut, cuts[index] ?? bytes.length));
    assert.deepEqual(await read(pieces), EVENTS, `cut at ${cuts}`);
  }
});

test('an event without its end is none', async () =>
  assert.deepEqual(await read([new TextEncoder().encode('id: a\n')]), []));

test('an event that has no end is refused before memory ends', async () => {
  const piece = new Uint8Array(8 << 20).fill(0x61);
  await assert.rejects(read(Array.from({ length: 100 }, () => piece)), { code: 'answer-invalid' });
});

test('a body that says nothing is left', async () => {
  let isLeft = false;
  const silent = new ReadableStream({ cancel: () => void (isLeft = true) });
  await assert.rejects(readEvents(silent, 50).next(), { code: 'unreachable' });
  assert.ok(isLeft);
});
