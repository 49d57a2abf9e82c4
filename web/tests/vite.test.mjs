// An application that Vite serves and builds, with the library as npm installs it. Each release that is supported, the page and a worker
// of it, under a Content-Security-Policy.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startBrowser } from './browser.mjs';
import { serve } from '../serve.mjs';

const at = (path) => fileURLToPath(new URL(path, import.meta.url));

/** What the guide says that a page needs. */
const POLICY = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src data:";
const EXPECTED = { value: 'kept', page: [2, 2, 'bucket-name-invalid'], worker: [2, 2, 'bucket-name-invalid'] };

let browser;
before(async () => {
  if (!existsSync(at('vite/node_modules/.package-lock.json'))) {
    execFileSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: at('vite'), stdio: 'inherit' });
  }
  browser = await startBrowser();
});
after(() => browser?.close());

/** The application in a folder of its own, with the library in `node_modules`. */
function install() {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'mantisdb-vite-')));
  cpSync(at('vite/app'), root, { recursive: true });
  const library = join(root, 'node_modules/mantisdb-web');
  mkdirSync(library, { recursive: true });
  cpSync(at('../package.json'), join(library, 'package.json'));
  cpSync(at('../dist'), join(library, 'dist'), {
    recursive: true,
    filter: (source) => !source.startsWith(at('../dist/raw')),
  });
  return root;
}

async function answerOf(url) {
  const page = await browser.page(url);
  await page.waitForFunction(() => window.answer !== undefined, null, { timeout: 30_000 });
  const answer = await page.evaluate(() => window.answer);
  const { problems } = page;
  await page.context().close();
  assert.deepEqual(answer, EXPECTED);
  assert.deepEqual(problems, []);
}

for (const release of ['vite7', 'vite8']) {
  test(`${release} serves an application while it is written`, async () => {
    const root = install();
    const { createServer } = await import(at(`vite/node_modules/${release}/dist/node/index.js`));
    const server = await createServer({
      root,
      configFile: false,
      logLevel: 'warn',
      server: { port: 0, host: '127.0.0.1' },
    });
    try {
      await server.listen();
      await answerOf(server.resolvedUrls.local[0]);
    } finally {
      await server.close();
      rmSync(root, { recursive: true, force: true });
    }
  });

  test(`${release} builds an application`, async () => {
    const root = install();
    const { build } = await import(at(`vite/node_modules/${release}/dist/node/index.js`));
    try {
      await build({ root, configFile: false, logLevel: 'warn' });
      const site = await serve(join(root, 'dist'), 0, { 'content-security-policy': POLICY });
      try {
        await answerOf(`${site.origin}/`);
      } finally {
        await site.close();
      }
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  });
}
