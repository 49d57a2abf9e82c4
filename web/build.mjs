// Makes web/dist and web/demo/dist from the output of `cargo xtask web` in web/dist/raw.

import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { FEATURES } from './features.mjs';
import { perInstance } from './instances.mjs';
import { withoutPanics } from './panics.mjs';
import { makePlugins } from './plugins.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const at = (...parts) => join(here, ...parts);

/** Runs one of npm's tools. Its own output says what failed, without a stack of this script. */
function tool(name, ...options) {
  try {
    execFileSync(at('node_modules/.bin', name), options, { cwd: here, stdio: 'inherit' });
  } catch {
    console.error(`${name} ${options.join(' ')} failed`);
    process.exit(1);
  }
}

function bundle(entry, outfile) {
  return build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    format: 'esm',
    target: 'es2022',
    minify: true,
    sourcemap: 'linked',
    legalComments: 'none',
    // wasm-bindgen lists one module twice in its imports.
    logOverride: { 'duplicate-object-key': 'silent' },
    logLevel: 'warning',
  });
}

function types() {
  tool('tsc', '--project', 'tsconfig.json');
  rmSync(at('dist/types'), { recursive: true, force: true });
  tool('tsc', '--project', 'tsconfig.types.json');
  // The page's sources and those of the client for servers keep their places in the repository.
  writeFileSync(at('dist/types/index.d.ts'), "export * from './web/ts/index.js';\n");
  // The client as its package has it: scenarios run on it.
  rmSync(at('../embed/typescript/dist'), { recursive: true, force: true });
  tool('tsc', '--project', '../embed/typescript/tsconfig.build.json');
}

async function demo(plugins) {
  const dist = at('demo/dist');
  rmSync(dist, { recursive: true, force: true });
  mkdirSync(dist, { recursive: true });
  for (const file of ['index.html', 'style.css']) copyFileSync(at('demo', file), join(dist, file));
  copyFileSync(at('dist/mantisdb.wasm'), join(dist, 'mantisdb.wasm'));
  // The plugins' modules load their WebAssembly from beside the script that they are bundled into.
  for (const { folder, cores } of plugins) for (const core of cores) copyFileSync(join(folder, core), join(dist, core));
  await bundle(at('demo/src/main.ts'), join(dist, 'demo.js'));
}

function report(paths) {
  for (const path of paths) {
    const compressed = gzipSync(readFileSync(path), { level: 9 }).length;
    console.log(
      `${String(statSync(path).size).padStart(8)} bytes, ${String(compressed).padStart(7)} gzip  web/${relative(here, path)}`,
    );
  }
}

for (const made of ['dist/plugins', 'tests/dist']) rmSync(at(made), { recursive: true, force: true });
// What counts is the size of a page's download: these options gave the smallest file, compressed. Code that is inlined into its one
// caller compresses worse, except where it is tiny. The stack's last bytes are the lowest 1024 of the memory: only code whose stack
// has overflowed uses them.
const small = ['-Os', '--converge', '--one-caller-inline-max-function-size', '16', '--low-memory-unused'];
// The build with all of tables is for pages that do much with them: small functions are inlined, which takes a fifth off a query's time
// and adds 7 % to the download.
const fast = [
  '-O3',
  '--flexible-inline-max-function-size',
  '40',
  '--always-inline-max-function-size',
  '20',
  '--low-memory-unused',
];
const stripped = ['--strip-debug', '--strip-producers', '--strip-target-features'];
// With all features, wasm-opt may require an engine with garbage collection, which Node 20, Safari before 18.2 and Firefox before 120 are
// not.
const features = FEATURES.map((feature) => `--enable-${feature}`);
/** The builds of the store, and what each is called where it is shipped. */
const builds = { kv: 'mantisdb.wasm', tables: 'mantisdb-tables.wasm', complete: 'mantisdb-complete.wasm' };
for (const [name, shipped] of Object.entries(builds)) {
  const trapping = `dist/raw/${name}/trapping.wasm`;
  writeFileSync(at(trapping), withoutPanics(readFileSync(at(`dist/raw/${name}/mantis_web_bg.wasm`))));
  const files = [trapping, '-o', `dist/${shipped}`];
  const optimized = name === 'complete' ? fast : small;
  tool('wasm-opt', ...optimized, ...stripped, '--mvp-features', ...features, ...files);
  const { script, types } = perInstance(readFileSync(at(`dist/raw/${name}/mantis_web.js`), 'utf8'));
  writeFileSync(at(`dist/raw/${name}/instance.js`), script);
  writeFileSync(at(`dist/raw/${name}/instance.d.ts`), types);
}
// Pages download the script of one for both.
if (
  readFileSync(at('dist/raw/tables/instance.js'), 'utf8') !== readFileSync(at('dist/raw/complete/instance.js'), 'utf8')
) {
  console.error('the builds with tables have different exports: ts/page/raw.ts takes the same script for both');
  process.exit(1);
}
const plugins = await makePlugins(at('dist/raw/plugins'), at('dist/plugins'), bundle);
await makePlugins(at('dist/raw/fixtures'), at('tests/dist'), bundle);
types();
await bundle(at('ts/index.ts'), at('dist/mantisdb.js'));
await demo(plugins);
report([
  ...Object.values(builds).map((shipped) => at('dist', shipped)),
  at('dist/mantisdb.js'),
  ...plugins.flatMap(({ folder, cores }) => ['plugin.js', ...cores].map((file) => join(folder, file))),
  at('demo/dist/demo.js'),
]);
