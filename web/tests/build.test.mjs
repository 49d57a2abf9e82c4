// What is shipped: types that a page's code compiles against, files that name no folder of the machine that made them.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';

const at = (path) => fileURLToPath(new URL(path, import.meta.url));

/**
 * The store as a page downloads it, in each build. Raise a bound with a reason. Of the one with tables 37 KB are the feed of rows, batches
 * and plugins' calls; 700 bytes are asking statements and batches whether to stop, which the same code does in a server.
 */
const WASM_GZIP_BYTES_MAX = { 'mantisdb.wasm': 71_000, 'mantisdb-tables.wasm': 498_300 };

test('the types stand on their own', async () => {
  const options = [
    '--ignoreConfig',
    '--noEmit',
    '--strict',
    '--exactOptionalPropertyTypes',
    '--skipLibCheck',
    'false',
    '--types',
    '',
  ];
  const target = [
    '--target',
    'ES2022',
    '--module',
    'ES2022',
    '--moduleResolution',
    'bundler',
    '--lib',
    'ES2023,DOM,DOM.AsyncIterable',
  ];
  const compiled = promisify(execFile)(at('../node_modules/.bin/tsc'), [
    ...options,
    ...target,
    at('types/consumer.ts'),
  ]);
  await compiled.catch((error) => assert.fail(error.stdout));
});

test('no file names a folder of the machine that made it', () => {
  const shipped = readdirSync(at('../dist'), { recursive: true }).filter((path) =>
    /^(?!raw).*\.(js|wasm|ts)$/.test(path),
  );
  assert.ok(shipped.length > 5);
  const root = at('../../').replace(/\/$/, '');
  for (const path of shipped) {
    const text = readFileSync(at(`../dist/${path}`), 'latin1');
    for (const folder of [root, '/registry/src/']) assert.ok(!text.includes(folder), `${path} names ${folder}`);
  }
});

test('no build has the places in the source that panics name', () => {
  for (const name of ['mantisdb.wasm', 'mantisdb-tables.wasm', 'mantisdb-complete.wasm']) {
    const text = readFileSync(at(`../dist/${name}`), 'latin1');
    assert.equal(text.match(/[\w/-]+\/\w+\.rs\b/)?.[0], undefined, name);
  }
});

for (const [file, bytesMax] of Object.entries(WASM_GZIP_BYTES_MAX)) {
  test(`${file} stays small`, () => {
    const bytes = gzipSync(readFileSync(at(`../dist/${file}`)), { level: 9 }).length;
    assert.ok(bytes <= bytesMax, `${bytes} bytes`);
  });
}

test('every error code of the database has its kind', () => {
  const reference = readFileSync(at('../../docs/reference/errors.md'), 'utf8');
  const [, table] = reference.split('## From the database');
  const rows = [...table.split('## From HTTP')[0].matchAll(/^\| `([a-z-]+)` \| ([a-z-]+) \|/gm)];
  assert.ok(rows.length > 20);
  const codes = readFileSync(at('../../embed/typescript/src/http/codes.ts'), 'utf8').replaceAll("'", '');
  for (const [, code, kind] of rows) assert.ok(codes.includes(` ${code}: ${kind},`), `${code} is ${kind}`);
});
