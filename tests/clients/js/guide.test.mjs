// What the TypeScript guide shows of supabase-js, against the server at MANTISDB_URL: it prints what the guide says.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { inspect } from 'node:util';

import { createClient } from '@supabase/supabase-js';
import WebSocket from 'ws';

const base = process.env.MANTISDB_URL;
const guide = readFileSync(new URL('../../../docs/guides/typescript.md', import.meta.url), 'utf8');

// Node.js has one of its own since 22; the realtime client asks for it although nothing here uses it.
globalThis.WebSocket ??= WebSocket;

/** The table of the guide, as it is when it comes to this program. */
async function makeBooks() {
  const schema = {
    columns: [
      { name: 'id', type: 'bigint', identity: true },
      { name: 'title', type: 'text', nullable: false },
      { name: 'pages', type: 'integer' },
    ],
    primary_key: ['id'],
  };
  const rows = [{ title: 'Rain', pages: 120 }, { title: 'Fog', pages: 81 }];
  for (const [method, path, body] of [['PUT', 'schema/tables/books', schema], ['POST', 'tables/books', rows]]) {
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(`${base}/api/v1/${path}`, { method, headers, body: JSON.stringify(body) });
    assert.ok(response.ok, await response.text());
  }
}

test("the guide's program with supabase-js prints what it says", async () => {
  const programs = [...guide.matchAll(/^```js\n([^]*?)^```$/gm)].map(([, program]) => program);
  const program = programs.find((text) => text.includes("from '@supabase/supabase-js'"));
  const lines = program.replace('http://127.0.0.1:8080', base).split('\n').filter((line) => !line.startsWith('import '));
  const said = [...program.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map(([, text]) => text);
  assert.equal(said.length, 3);
  await makeBooks();
  try {
    const AsyncFunction = (async () => {}).constructor;
    const printed = [];
    const console = { log: (value) => printed.push(inspect(value, { breakLength: Infinity })) };
    await new AsyncFunction('createClient', 'console', lines.join('\n'))(createClient, console);
    assert.deepEqual(printed, said);
  } finally {
    await fetch(`${base}/api/v1/schema/tables/books`, { method: 'DELETE' });
  }
});
