// Which engines the builds run in: the features of WebAssembly that they use, what one without them is told, and where the files are found.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { FEATURES } from '../features.mjs';
import { startBrowser } from './browser.mjs';

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const run = promisify(execFile);

/** Whether a module is valid with these features, and no others. */
async function isValid(path, features) {
  const enabled = features.map((feature) => `--enable-${feature}`);
  try {
    await run(at('../node_modules/.bin/wasm-opt'), [path, '--mvp-features', ...enabled, '--output', '/dev/null']);
    return true;
  } catch {
    return false;
  }
}

let folder;
let browser;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mantisdb-engines-'));
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

const shipped = readdirSync(at('../dist'), { recursive: true }).filter((path) => /^(?!raw).*\.wasm$/.test(path));

test('what is shipped uses the features that are named, and no others', async () => {
  assert.ok(shipped.length >= 6);
  for (const path of shipped) {
    assert.ok(await isValid(at(`../dist/${path}`), FEATURES), path);
    assert.ok(WebAssembly.validate(readFileSync(at(`../dist/${path}`))), path);
  }
  // The check can fail.
  assert.equal(
    await isValid(
      at('../dist/mantisdb.wasm'),
      FEATURES.filter((feature) => feature !== 'sign-ext'),
    ),
    false,
  );
});

test('each feature is looked for by a module that is valid only with it', async () => {
  const probes = [];
  const { validate } = WebAssembly;
  WebAssembly.validate = (bytes) => probes.push(bytes) > 0;
  const { open } = await import('../dist/mantisdb.js');
  await (await open()).close();
  WebAssembly.validate = validate;
  // wasm-opt has the copying and filling of memory as a feature of its own, which is also within the other.
  const groups = FEATURES.filter((feature) => feature !== 'bulk-memory-opt').map((feature) =>
    feature === 'bulk-memory' ? [feature, 'bulk-memory-opt'] : [feature],
  );
  const needed = [];
  for (const [index, bytes] of probes.entries()) {
    const path = join(folder, `${index}.wasm`);
    writeFileSync(path, bytes);
    assert.ok(validate(bytes) && (await isValid(path, FEATURES)), `probe ${index}`);
    for (const group of groups) {
      const others = FEATURES.filter((other) => !group.includes(other));
      if (!(await isValid(path, others))) needed.push(...group);
    }
  }
  assert.deepEqual(needed.toSorted(), FEATURES.toSorted());
});

/** What `open()` says in a page in which `before` ran first, and a plugin likewise. */
async function refusedBy(before) {
  const page = await browser.page('/tests/pages/empty.html');
  await page.waitForFunction(() => window.ready);
  const refused = await page.evaluate(async (source) => {
    new Function(source)();
    const error = await open().catch((error) => error);
    return [MantisError.is(error), error.code, error.kind, error.message, error.hint];
  }, before);
  await page.context().close();
  return refused;
}

test('an engine that cannot run the store is told what it lacks', async () => {
  const has = (...bytes) => `WebAssembly.validate = (module) => !String(module).includes('${bytes.join()}');`;
  const [isOurs, code, kind, message, hint] = await refusedBy(has(0xc0, 0x1a));
  assert.deepEqual([isOurs, code, kind], [true, 'wasm-unsupported', 'other']);
  assert.match(message, /it lacks sign extension in WebAssembly$/);
  assert.match(hint, /Safari 15/);
  assert.match((await refusedBy(has(0xfc, 11)))[3], /it lacks bulk memory in WebAssembly$/);
  assert.match((await refusedBy('delete window.WebAssembly'))[3], /it lacks WebAssembly$/);
  assert.match((await refusedBy('delete window.BigInt64Array'))[3], /it lacks BigInt$/);
});

test('a policy that forbids WebAssembly is named', async () => {
  const page = await browser.page('/tests/pages/empty.html');
  await page.waitForFunction(() => window.ready);
  const refused = await page.evaluate(async () => {
    const policy = document.createElement('meta');
    policy.httpEquiv = 'content-security-policy';
    policy.content = "script-src 'self'";
    document.head.append(policy);
    const error = await open().catch((error) => error);
    return [error.code, error.hint];
  });
  await page.context().close();
  assert.equal(refused[0], 'wasm-unavailable');
  assert.match(refused[1], /wasm-unsafe-eval/);
});

test('a file that is not there, and one that is a page, are told', async () => {
  const page = await browser.page('/tests/pages/empty.html');
  await page.waitForFunction(() => window.ready);
  const refused = await page.evaluate(async () => {
    const codes = [];
    for (const wasm of [
      '/nothing.wasm',
      '/tests/pages/empty.html',
      new Uint8Array(10),
      new URL('/no', location.href),
    ]) {
      codes.push(await open({ wasm }).catch((error) => `${error.code} ${error.message}`));
    }
    // And what follows works.
    codes.push(await open().then(() => 'open'));
    return codes;
  });
  await page.context().close();
  assert.match(refused[0], /^wasm-unavailable .*answered 404/);
  assert.match(refused[1], /^wasm-unavailable .*answered a page/);
  assert.match(refused[2], /^wasm-unavailable /);
  assert.match(refused[3], /^wasm-unavailable /);
  assert.equal(refused[4], 'open');
});

test('a plugin drops its handles in an engine without Symbol.dispose', async () => {
  const page = await browser.page('/tests/pages/empty.html');
  const counted = await page.evaluate(async () => {
    const known = Symbol;
    globalThis.Symbol = new Proxy(() => {}, {
      get: (_, name) => (name === 'dispose' ? undefined : known[name]),
      apply: (_, __, [description]) => known(description),
    });
    const { open } = await import('/dist/mantisdb.js?old');
    const { default: hoard } = await import('/tests/dist/hoard-handles/plugin.js?old');
    const db = await open();
    try {
      return await db.plugin(hoard, { grants: 'all' }).call('open-and-close', [1_000]);
    } catch (error) {
      return error.code;
    }
  });
  await page.context().close();
  assert.equal(counted, 1_000);
});

test('the library runs in Node, with tables, plugins and in worker threads', async () => {
  const script = join(folder, 'node.mjs');
  writeFileSync(
    script,
    `import { Worker, isMainThread, parentPort } from 'node:worker_threads';
    import { open, toText } from '${at('../dist/mantisdb.js')}';
    import counter from '${at('../dist/plugins/counter/plugin.js')}';
    const db = await open({ tables: 'complete' });
    await db.createTable('t', { columns: [{ name: 'id', type: 'bigint' }], primary_key: ['id'] });
    await db.table('t').insert({ id: 1 });
    await db.kv().set('a', 'value');
    const plugin = db.plugin(counter, { grants: { counters: 'write' } });
    const answer = [toText(await db.kv().get('a')), await db.table('t').count(), await plugin.call('increment', ['n', 3])];
    await db.close();
    if (!isMainThread) parentPort.postMessage(answer);
    else new Worker(new URL(import.meta.url)).on('message', (other) => console.log(JSON.stringify([answer, other])));`,
  );
  const { stdout, stderr } = await run(process.execPath, [script]);
  assert.deepEqual([JSON.parse(stdout), stderr], [Array(2).fill(['value', 1, 3]), '']);
});
