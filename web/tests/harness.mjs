// What the tests share: a page, a database of their own, and answers that can be compared outside the page.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startBrowser } from './browser.mjs';
import { startServer } from './server.mjs';
import { shape } from './shape.mjs';

/** A browser and a page with MantisDB's modules for the tests of one file. `ready` gets both before the first test. */
export function withPage(ready = async () => {}) {
  const held = {};
  before(async () => {
    held.browser = await startBrowser();
    held.page = await held.browser.page('/tests/pages/empty.html');
    await held.page.waitForFunction(() => window.ready);
    await held.page.evaluate(shape);
    await ready(held);
  });
  after(async () => {
    await held.browser?.close();
    // What a request that fails leaves in the console is the browser's doing.
    const problems = (held.page?.problems ?? []).filter(
      (problem) => !/Failed to load resource|blocked by CORS policy/.test(problem),
    );
    assert.deepEqual(problems, []);
  });
  return held;
}

/** Opens a database in the page, with a clock that stands still where `clock` says, and with tables where `tables` does. */
function inPage({ clock = null, tables = false }) {
  return `
    let now = ${clock};
    const clock = { advance: (ms) => (now += ms) };
    const tables = ${JSON.stringify(tables)};
    const db = await open(now === null ? { tables } : { tables, clock: () => now });`;
}

/**
 * Two tests, unless a clock is given: `work(db, clock)` is run in the page with a database in it, and with one on a server of its
 * own. Both must answer `expected`; `overHttp` where a server answers otherwise, and false where the test is for the page alone.
 * `install` names components of `guest/` that the server is to have. `tables` is the option of `open`.
 */
export function checkBoth(held, name, work, expected, { clock, tables, overHttp = expected, install = [] } = {}) {
  test(`in the page: ${name}`, async () =>
    assert.deepEqual(await run(held, work, inPage({ clock, tables })), expected));
  if (clock !== undefined || overHttp === false) return;
  test(`over HTTP: ${name}`, async () => {
    const server = await startServer(held.browser.origin);
    try {
      for (const name of install) await server.install(name);
      assert.deepEqual(await run(held, work, `const db = connect('${server.url}'), clock = null;`), overHttp);
    } finally {
      await server.stop();
    }
  });
}

/** Code and kind of what each call rejects with: `[call, code, kind, code over HTTP?]`; a call is the text of an expression with `db`. */
export function checkRefusals(held, name, cases, options = {}) {
  const calls = cases.map(([call]) => `async () => ${call}`);
  const expected = (http) =>
    cases.map(([call, code, kind, other]) => [call, 'MantisError', (http && other) || code, kind]);
  const work = `async (db) => {
    const answers = [];
    for (const call of [${calls.join(',\n')}]) {
      const error = await call().then((answer) => ({ name: 'no error', code: answer }), (error) => error);
      answers.push([String(call).slice('async () => '.length), error.name, error.code, error.kind]);
    }
    return answers;
  }`;
  checkBoth(held, name, work, expected(false), { overHttp: expected(true), ...options });
}

/** Runs `work` in the page after `opening`; what it answers, in a form that can leave the page. */
export async function run(held, work, opening) {
  const source = `async () => {
    ${opening}
    try { return shown(await (${work})(db, clock)); } finally { await db.close(); }
  }`;
  return held.page.evaluate((text) => new Function(`return (${text})()`)(), source);
}
