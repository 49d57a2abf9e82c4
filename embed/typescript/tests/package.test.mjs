// The package as npm installs it: what is in it, that it compiles, and that bundlers and engines take it as it is.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build as esbuild } from 'esbuild';
import { startBrowser } from '../../../web/tests/browser.mjs';
import { startServer } from '../../../web/tests/server.mjs';
import { serve } from '../../../web/serve.mjs';
import { pack } from './package.mjs';

const at = (path) => fileURLToPath(new URL(path, import.meta.url));

/** A page's download of everything that `connect` needs, minified and compressed. Raise a bound with a reason. */
const CONNECT_GZIP_BYTES_MAX = 14_600;
/** The same of a program that only knows the errors. */
const ERRORS_GZIP_BYTES_MAX = 1_200;
const TARBALL_BYTES_MAX = 70_000;
const EXPECTED = ['kept', 'a', '2', 0, 'bucket-name-invalid'];

let packed, browser;
before(async () => {
  packed = pack();
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  packed?.remove();
});

test('the package has modules, types and licences, and nothing that only tests need', () => {
  const files = readdirSync(packed.folder, { recursive: true }).filter((path) =>
    statSync(join(packed.folder, path)).isFile(),
  );
  for (const path of [
    'LICENSE-APACHE',
    'LICENSE-MIT',
    'README.md',
    'package.json',
    'dist/index.js',
    'dist/index.d.ts',
  ]) {
    assert.ok(files.includes(path), `${path} is missing`);
  }
  const others = files.filter(
    (path) => !/^(LICENSE-APACHE|LICENSE-MIT|README\.md|package\.json|dist\/.*\.js|dist\/.*\.d\.ts)$/.test(path),
  );
  assert.deepEqual(others, []);
  assert.ok(statSync(packed.tarball).size <= TARBALL_BYTES_MAX, `${statSync(packed.tarball).size} bytes`);
});

test('what the manifest names is there, and nothing else is needed', () => {
  const manifest = JSON.parse(readFileSync(join(packed.folder, 'package.json'), 'utf8'));
  const named = Object.values(manifest.exports).flatMap((target) =>
    typeof target === 'string' ? target : Object.values(target),
  );
  for (const path of [manifest.types, ...named]) assert.ok(statSync(join(packed.folder, path)).isFile(), path);
  // Bundlers take the first condition that they know.
  assert.deepEqual(Object.keys(manifest.exports['.']), ['types', 'default']);
  assert.equal(manifest.scripts.prepack, manifest.scripts.build);
  assert.equal(manifest.sideEffects, false);
  assert.equal(manifest.dependencies, undefined);
});

test('no file has WebAssembly, code of the page, or a folder of the machine that made it', () => {
  const root = at('../../../').replace(/\/$/, '');
  for (const path of readdirSync(packed.folder, { recursive: true })) {
    if (!/\.js$/.test(path)) continue;
    const text = readFileSync(join(packed.folder, path), 'utf8');
    for (const word of ['WebAssembly', '.wasm', 'import.meta', root])
      assert.ok(!text.includes(word), `${path} has ${word}`);
  }
});

/** The compiler's options, and the programs that it is to take with them. */
const COMPILED = {
  'node16, with the types of Node': [
    '--module node16 --moduleResolution node16 --lib ES2022 --types node',
    'types-node.ts',
  ],
  'nodenext, with the types of Node': ['--module nodenext --lib ES2022 --types node', 'types-node.ts'],
  'bundler, with the types of pages': [
    '--module esnext --moduleResolution bundler --lib ES2022,DOM --exactOptionalPropertyTypes',
  ],
};

for (const [name, [options, ...more]] of Object.entries(COMPILED)) {
  test(`the types compile: ${name}`, () => {
    const root = packed.install(at('consumer'));
    const strict = '--ignoreConfig --noEmit --strict --skipLibCheck false --target ES2022'.split(' ');
    const types = ['--typeRoots', name.startsWith('bundler') ? root : at('../node_modules/@types')];
    try {
      const files = ['types.ts', ...more];
      execFileSync(at('../node_modules/.bin/tsc'), [...strict, ...options.split(' '), ...types, ...files], {
        cwd: root,
      });
    } catch (error) {
      assert.fail(String(error.stdout));
    }
  });
}

/** The bytes of a program's bundle, compressed. */
async function bundled(program) {
  const root = packed.install(at('consumer'));
  const stdin = { contents: program, resolveDir: root };
  const { outputFiles } = await esbuild({
    stdin,
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    write: false,
  });
  return { text: outputFiles[0].text, bytes: gzipSync(outputFiles[0].contents, { level: 9 }).length };
}

test('a program that only connects is small', async () => {
  const { bytes } = await bundled("import { connect } from 'mantisdb-client'; globalThis.db = connect('http://a');");
  assert.ok(bytes <= CONNECT_GZIP_BYTES_MAX, `${bytes} bytes`);
});

test('what is not used is left out', async () => {
  const { bytes, text } = await bundled(
    "import { MantisError } from 'mantisdb-client'; globalThis.is = MantisError.is;",
  );
  assert.ok(bytes <= ERRORS_GZIP_BYTES_MAX, `${bytes} bytes`);
  assert.ok(!text.includes('/api/v1'));
});

/** Runs `work` with a server that pages of `origin` may use. */
async function withServer(origin, work) {
  const server = await startServer(origin);
  try {
    await work(server);
  } finally {
    await server.stop();
  }
}

test('Node imports it, from modules and from CommonJS', async () => {
  const root = packed.install(at('consumer'));
  await withServer('http://localhost', ({ url }) => {
    for (const [file, program] of [
      ['run.mjs', "import { use } from './use.js'; console.log(JSON.stringify(await use(process.argv[2])));"],
      [
        'run.cjs',
        "import('./use.js').then(async ({ use }) => console.log(JSON.stringify(await use(process.argv[2]))));",
      ],
    ]) {
      writeFileSync(join(root, file), program);
      const answer = JSON.parse(execFileSync(process.execPath, [join(root, file), url], { encoding: 'utf8' }));
      assert.deepEqual(answer, EXPECTED, file);
    }
  });
});

/** What the page at a folder answers. */
async function checkPage(folder) {
  const site = await serve(folder, 0, {
    'content-security-policy': "default-src 'self'; connect-src *; img-src data:",
  });
  try {
    await withServer(site.origin, ({ url }) => checkAt(`${site.origin}/`, url));
  } finally {
    await site.close();
  }
}

async function checkAt(address, server) {
  const page = await browser.page(`${address}?server=${encodeURIComponent(server)}`);
  await page.waitForFunction(() => window.answer !== undefined, null, { timeout: 30_000 });
  const answer = await page.evaluate(() => window.answer);
  // What a request that fails leaves in the console is the browser's doing.
  const problems = page.problems.filter((problem) => !/Failed to load resource/.test(problem));
  await page.context().close();
  assert.deepEqual(answer, EXPECTED);
  assert.deepEqual(problems, []);
}

test('a page without a bundler imports the one file', async () => {
  const root = packed.install(at('consumer'));
  const file = readFileSync(join(root, 'use.js'), 'utf8');
  writeFileSync(
    join(root, 'use.js'),
    file.replace("'mantisdb-client'", "'./node_modules/mantisdb-client/dist/standalone.js'"),
  );
  await checkPage(root);
});

for (const release of ['vite7', 'vite8']) {
  const vite = () => import(at(`../node_modules/${release}/dist/node/index.js`));

  test(`${release} builds a page`, async () => {
    const root = packed.install(at('consumer'));
    await (await vite()).build({ root, configFile: false, logLevel: 'warn' });
    await checkPage(join(root, 'dist'));
  });

  test(`${release} serves a page while it is written`, async () => {
    const root = packed.install(at('consumer'));
    const place = { port: 0, host: '127.0.0.1' };
    const served = await (await vite()).createServer({ root, configFile: false, logLevel: 'warn', server: place });
    try {
      await served.listen();
      const [address] = served.resolvedUrls.local;
      await withServer(new URL(address).origin, ({ url }) => checkAt(address, url));
    } finally {
      await served.close();
    }
  });
}

test('webpack 5 builds a page', async () => {
  const root = packed.install(at('consumer'));
  const { default: webpack } = await import('webpack');
  const compiler = webpack({
    mode: 'production',
    context: root,
    entry: './main.js',
    output: { path: root, filename: 'main.js' },
  });
  const stats = await new Promise((done, failed) =>
    compiler.run((error, stats) => (error ? failed(error) : done(stats))),
  );
  await new Promise((done) => compiler.close(done));
  assert.deepEqual(stats.toJson({ all: false, errors: true, warnings: true }).errors, []);
  assert.deepEqual(stats.toJson({ all: false, warnings: true }).warnings, []);
  await checkPage(root);
});
