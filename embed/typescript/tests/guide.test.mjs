// The programs of the guide: they compile against the package, and print what the guide says.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { formatWithOptions } from 'node:util';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { startServer } from '../../../web/tests/server.mjs';
import { pack } from './package.mjs';

const at = (path) => fileURLToPath(new URL(path, import.meta.url));

/** A line of a program that prints, and what the guide says that it prints. */
const PRINTS = /console\.log\((.*)\); \/\/ (.*)$/;

/** The programs as one: imports first, each in a scope of its own but for what the next ones use. */
function program(edit) {
  const guide = readFileSync(at('../../../docs/guides/typescript.md'), 'utf8');
  const blocks = [...guide.matchAll(/^```ts\n([^]*?)^```$/gm)].map(([, block]) => block);
  assert.ok(blocks.length > 9);
  const lines = blocks.join('\n').split('\n');
  const isImport = (line) => line.startsWith('import ');
  return [...lines.filter(isImport), ...lines.filter((line) => !isImport(line)).map(edit), 'export {};', ''].join('\n');
}

test('the programs of the guide compile, and print what it says', async () => {
  const packed = pack();
  try {
    const root = packed.install(at('consumer'));
    const { resolve } = createRequire(import.meta.url);
    // The folder above `@supabase/postgrest-js`.
    const supabase = dirname(resolve('@supabase/postgrest-js').replace(/(@supabase\/postgrest-js\/).*/, '$1'));
    symlinkSync(supabase, join(root, 'node_modules/@supabase'));
    writeFileSync(
      join(root, 'guide.ts'),
      program((line) => line),
    );
    const kind = ['--target', 'es2022', '--module', 'nodenext', '--lib', 'es2022', '--skipLibCheck'];
    const types = ['--types', 'node', '--typeRoots', at('../node_modules/@types')];
    const tsc = ['--ignoreConfig', '--noEmit', '--strict', ...kind, ...types, 'guide.ts'];
    try {
      execFileSync(at('../node_modules/.bin/tsc'), tsc, { cwd: root });
    } catch (error) {
      assert.fail(String(error.stdout));
    }

    let expected = 0;
    const checking = program((line) =>
      line.replace(PRINTS, (_, shown, said) => `told(${expected++}, ${JSON.stringify(said)}, ${shown});`),
    );
    assert.ok(expected > 20);
    const server = await startServer('http://localhost');
    try {
      const source = checking.replace('http://127.0.0.1:8080', server.url);
      writeFileSync(join(root, 'guide.ts'), source);
      const outfile = join(root, 'guide.mjs');
      const options = { bundle: true, format: 'esm', platform: 'node', external: ['mantisdb-client'] };
      await build({ entryPoints: [join(root, 'guide.ts')], outfile, ...options });
      const printed = new Set();
      globalThis.told = (place, said, ...shown) => {
        printed.add(place);
        const options = { breakLength: Infinity };
        assert.equal(formatWithOptions(options, ...shown), said);
      };
      const folder = process.cwd();
      process.chdir(at('../../../'));
      try {
        await import(outfile);
      } finally {
        process.chdir(folder);
      }
      assert.equal(printed.size, expected);
    } finally {
      await server.stop();
    }
  } finally {
    packed.remove();
  }
});
