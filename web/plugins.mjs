// Makes modules for pages of the components that `cargo xtask web` put into dist/raw.

import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transpileBytes } from '@bytecodealliance/jco-transpile';
import { limitMemory } from './memory.mjs';

/** Core modules below this size become part of the script. */
const INLINE_BYTES_MAX = 4096;

/** 64 MiB, as on a server. */
const MEMORY_PAGES_MAX = 1024;

const DECLARATION = `import type { PluginModule } from '../../types/index.js';

declare const plugin: PluginModule;
export default plugin;
`;

/** Makes `dist`/NAME/{plugin.js,plugin.d.ts,*.wasm} of each NAME.{json,wasm} in `raw`; tells where they are. */
export async function makePlugins(raw, dist, bundle) {
  const made = [];
  for (const file of readdirSync(raw).filter((name) => name.endsWith('.json'))) {
    made.push(await makePlugin(join(raw, file), dist, bundle));
  }
  return made;
}

async function makePlugin(description, dist, bundle) {
  const name = basename(description, '.json');
  const component = readFileSync(description.replace(/json$/, 'wasm'));
  const folder = join(dist, name);
  const generated = description.replace(/\.json$/, '');
  mkdirSync(folder, { recursive: true });
  mkdirSync(generated, { recursive: true });
  const { files } = await transpileBytes(component, {
    name,
    instantiation: 'async',
    emitTypescriptDeclarations: false,
    // An error that a function returns arrives in something that no crash throws.
    noComponentErrorWrapping: false,
  });
  const script = Buffer.from(files[`${name}.js`]).toString();
  writeFileSync(join(generated, 'component.js'), withoutLoading(inStrictCode(script)));
  const modules = Object.keys(files).filter((path) => path.endsWith('.wasm'));
  for (const path of modules) files[path] = limitMemory(files[path], MEMORY_PAGES_MAX);
  const cores = modules.filter((path) => files[path].length > INLINE_BYTES_MAX);
  for (const core of cores) writeFileSync(join(folder, core), files[core]);
  const sources = modules.map((path) => {
    const inline = `'${Buffer.from(files[path]).toString('base64')}'`;
    return `'${path}': ${cores.includes(path) ? `new URL('./${path}', import.meta.url)` : inline}`;
  });
  const entry = join(generated, 'plugin.js');
  writeFileSync(
    entry,
    `import { instantiate } from './component.js';
import { pluginModule } from '${fileURLToPath(new URL('ts/plugins/module.ts', import.meta.url))}';
export default pluginModule(${readFileSync(description, 'utf8')}, instantiate, { ${sources.join(', ')} });
`,
  );
  await bundle(entry, join(folder, 'plugin.js'));
  writeFileSync(join(folder, 'plugin.d.ts'), DECLARATION);
  return { name, folder, cores };
}

/** Without `jco`'s own way to load core modules, whose import of a module of Node bundlers would follow: `pluginModule` loads them. */
function withoutLoading(source) {
  const kept = source
    .replace(/^( *)async function fetchCompile[^]*?^\1}$/m, '')
    .replace(/^\s*if \(!getCoreModule\) getCoreModule = .*$/m, '');
  if (/fetchCompile|\bimport\(/.test(kept)) throw new Error('the script of the component loads files by itself');
  return kept;
}

/** Renames functions that `jco` names as the component does, and that strict code cannot have. */
function inStrictCode(source) {
  const renamed = source.replace(/^  function (arguments|eval)\(/gm, '  function $1_(');
  if (renamed === source) return source;
  const exported = (line) => line.replace(/(?<=[{,] )(arguments|eval),/g, '$1: $1_,');
  return renamed.replace(/^  return \{ .*\};$/gm, exported);
}
