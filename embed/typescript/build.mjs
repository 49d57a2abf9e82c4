// Makes dist/ of src/: modules with their types for programs and bundlers, and one minified file for pages without a bundler. Copies the
// licences, which npm takes from beside package.json.

import { execFileSync } from 'node:child_process';
import { copyFileSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = fileURLToPath(new URL('.', import.meta.url));

rmSync(`${here}dist`, { recursive: true, force: true });
for (const project of ['tsconfig.build.json', 'tsconfig.node.json']) {
  execFileSync(`${here}node_modules/.bin/tsc`, ['--project', `${here}${project}`], { stdio: 'inherit' });
}
await build({
  entryPoints: [`${here}src/index.ts`],
  outfile: `${here}dist/standalone.js`,
  bundle: true,
  format: 'esm',
  target: 'es2022',
  minify: true,
  legalComments: 'none',
  logLevel: 'warning',
});
for (const licence of ['LICENSE-APACHE', 'LICENSE-MIT']) copyFileSync(`${here}../../${licence}`, `${here}${licence}`);
