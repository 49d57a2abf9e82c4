// Runs scenarios with the TypeScript interface. A line of JSON comes in, a line of JSON goes out:
//   {"open":{"now_ms":..,"store_bytes_max":..|null,"tables":..,"url":..|null}}   a new database, in the page, or at a URL in Node
//   {"step":{..}}                                                                the step's line of the transcript
//   {"guest":{"steps":[..],"beside":[..],"grants":..}}                            what a plugin in the page answers to all steps
// `node run.mjs page` starts a browser, `node run.mjs client` none.

import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { createContext, runInContext } from 'node:vm';

// Node 20 has `JSON.rawJSON` in contexts that are made after its flag is set.
if (JSON.rawJSON === undefined) {
  setFlagsFromString('--harmony-json-parse-with-source');
  globalThis.JSON = runInContext('JSON', createContext());
}

const PLAYER = new URL('./play.mjs', import.meta.url);

/** A module and those that it imports, as one text. */
async function bundled(url) {
  const { build } = await import('../../web/node_modules/esbuild/lib/main.js');
  const { outputFiles } = await build({ entryPoints: [fileURLToPath(url)], bundle: true, format: 'esm', write: false });
  return outputFiles[0].text;
}

/** The database in a page of a browser. */
async function inPage() {
  const { startBrowser } = await import('../../web/tests/browser.mjs');
  const browser = await startBrowser();
  const page = await browser.page('/tests/pages/empty.html');
  const player = await bundled(PLAYER);
  await page.evaluate(async (source) => {
    const { Player } = await import(URL.createObjectURL(new Blob([source], { type: 'text/javascript' })));
    const { open } = await import('/dist/mantisdb.js');
    const SIGN_BYTES = 61;
    let nowMs, database, player;
    window.scenario = {
      async open(options) {
        await database?.close();
        nowMs = options.now_ms;
        const storeBytesMax = options.store_bytes_max ?? undefined;
        database = await open({ clock: () => nowMs, storeBytesMax, tables: options.tables && 'complete' });
        player = new Player(database);
      },
      async step(step) {
        if (step.operation.op !== 'advance-clock') return player.play(step);
        nowMs += step.operation.ms;
        database.maintain();
        return { now_ms: database.nowMs() };
      },
      async guest({ steps, beside, grants }) {
        const { default: mirror } = await import('/tests/dist/mirror/plugin.js');
        const played = [];
        const fill = crypto.getRandomValues.bind(crypto);
        // So many bytes ask for the next step beside the plugin. A store in a page does it before anybody waits.
        crypto.getRandomValues = (bytes) => {
          // What the page cannot do either, such as ending a transaction of the plugin's, has no answer.
          if (bytes.length === SIGN_BYTES) played.push(window.scenario.step(beside[played.length]).catch(() => null));
          return fill(bytes);
        };
        try {
          const answers = await database.plugin(mirror, { grants, log: () => {} }).call('run', [steps]);
          return { answers, beside: await Promise.all(played) };
        } catch (error) {
          return { failed: String(error), code: error.code };
        } finally {
          delete crypto.getRandomValues;
        }
      },
    };
  }, player);
  return {
    open: (options) => page.evaluate((options) => window.scenario.open(options), options),
    step: (step) => page.evaluate((step) => window.scenario.step(step), step),
    guest: (guest) => page.evaluate((guest) => window.scenario.guest(guest), guest),
    close: () => browser.close(),
  };
}

/** The database behind a URL, reached with the client as its package has it. */
async function overHttp() {
  const [{ Player }, { connect }] = await Promise.all([import(PLAYER), import('../../embed/typescript/dist/index.js')]);
  let database, player;
  return {
    async open({ url }) {
      await database?.close();
      database = connect(url);
      player = new Player(database);
    },
    step: (step) => player.play(step),
    close: () => database?.close(),
  };
}

/** For `JSON.stringify`, which drops the sign of -0. */
function withSign(_, value) {
  return Object.is(value, -0) ? JSON.rawJSON('-0.0') : value;
}

const surface = await (process.argv[2] === 'client' ? overHttp() : inPage());
try {
  for await (const line of createInterface({ input: process.stdin })) {
    const { open, step, guest } = JSON.parse(line);
    let answer = 'open';
    if (open !== undefined) await surface.open(open);
    else answer = await (step === undefined ? surface.guest(guest) : surface.step(step));
    process.stdout.write(`${JSON.stringify(answer, withSign)}\n`);
  }
} finally {
  await surface.close();
}
