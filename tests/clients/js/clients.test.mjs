// The packages of PostgREST's and Supabase's users, unmodified, against the server at MANTISDB_URL.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { PostgrestClient } from '@supabase/postgrest-js';
import { createClient } from '@supabase/supabase-js';
import WebSocket from 'ws';

import { functions, reads, shown, writes } from './calls.mjs';

const base = process.env.MANTISDB_URL;
const component = readFileSync(new URL('../../../guest/target/components/leaderboard.wasm', import.meta.url));
const tables = JSON.parse(readFileSync(new URL('../tables.json', import.meta.url)));

const clients = {
  'postgrest-js': () => new PostgrestClient(`${base}/rest/v1`),
  'supabase-js': () => createClient(base, 'a-key-that-nobody-checks', {
    auth: { persistSession: false },
    // Node.js has one of its own since 22; the realtime client asks for it although nothing here uses it.
    realtime: { transport: WebSocket },
  }),
};

async function send(method, path, body) {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(`${base}/api/v1/${path}`, { method, headers, body: body && JSON.stringify(body) });
  assert.ok(response.ok || response.status === 404, `${method} ${path}: ${response.status} ${await response.text()}`);
}

/** Drops the tables, and makes and fills them again. */
async function reset() {
  for (const { table } of tables.toReversed()) await send('DELETE', `schema/tables/${table}`);
  for (const { table, schema, rows } of tables) {
    await send('PUT', `schema/tables/${table}`, schema);
    await send('POST', `tables/${table}`, rows);
  }
}

/** Installs the leaderboard twice, and gives it scores. */
async function install() {
  const headers = { 'content-type': 'application/wasm' };
  for (const [name, access] of [['leaderboard', 'write'], ['standings', 'read']]) {
    const path = `${base}/api/v1/plugins/${name}?buckets=leaderboard:${access}`;
    const response = await fetch(path, { method: 'PUT', headers, body: component });
    assert.ok(response.ok, await response.text());
  }
  for (const [player, score] of [['ida', 90], ['jon', 70], ['kim', 70]]) {
    await send('POST', 'plugins/leaderboard/call/submit', { player, score });
  }
}

for (const [client, make] of Object.entries(clients)) {
  test(client, async (t) => {
    await reset();
    const db = make();
    const check = ([name, call, expected]) =>
      t.test(name, async () => {
        const wanted = 'error' in expected ? expected : { ...expected, failure: null };
        assert.deepEqual(shown(await call(db), expected), wanted);
      });
    for (const entry of reads) await check(entry);
    await install();
    for (const entry of functions) await check(entry);
    for (const entry of writes) {
      await reset();
      await check(entry);
    }
  });
}
