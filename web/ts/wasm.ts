/** WebAssembly of the store and of plugins: what it needs of an engine, and how it is loaded. */

import { MantisError } from './client.js';

/** The source of a WebAssembly module: its URL, its bytes, an answer with them, or the module itself. */
export type WasmSource = string | URL | Response | BufferSource | WebAssembly.Module;

const [TYPES, FUNCTIONS, MEMORIES, GLOBALS, EXPORTS, CODE] = [1, 3, 5, 6, 7, 10];
const I32 = 0x7f;
const I32_CONST_0 = [0x41, 0];
const DROP = 0x1a;

/** A module with one function, of these instructions, and with these further sections. */
function module(code: number[], results: number[] = [], more: [section: number, content: number[]][] = []): Uint8Array {
  const body = [0, ...code, 0x0b];
  const sections: [number, number[]][] = [
    [TYPES, [1, 0x60, 0, results.length, ...results]],
    [FUNCTIONS, [1, 0]],
    ...more,
    [CODE, [1, body.length, ...body]],
  ];
  const bytes = sections.flatMap(([section, content]) => [section, content.length, ...content]);
  return Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...bytes);
}

/** What a build may use, each with a module that is valid only with it. `features.mjs` has the same list for wasm-opt. */
const FEATURES: [name: string, probe: Uint8Array][] = [
  ['bulk memory', module([...I32_CONST_0, ...I32_CONST_0, ...I32_CONST_0, 0xfc, 11, 0], [], [[MEMORIES, [1, 0, 1]]])],
  ['multiple values', module([...I32_CONST_0, ...I32_CONST_0], [I32, I32])],
  [
    'mutable globals',
    module(
      [],
      [],
      [
        [GLOBALS, [1, I32, 1, ...I32_CONST_0, 0x0b]],
        [EXPORTS, [1, 1, 0x61, 3, 0]],
      ],
    ),
  ],
  ['non-trapping conversions', module([0x43, 0, 0, 0, 0, 0xfc, 0, DROP])],
  ['reference types', module([0xd0, 0x6f, DROP])],
  ['sign extension', module([...I32_CONST_0, 0xc0, DROP])],
];

/** Throws if the engine cannot run what the build makes, and says what it lacks. */
export function checkEngine(): void {
  const missing =
    typeof WebAssembly === 'undefined'
      ? ['WebAssembly']
      : FEATURES.filter(([, probe]) => !WebAssembly.validate(probe as BufferSource)).map(
          ([name]) => `${name} in WebAssembly`,
        );
  if (typeof BigInt64Array === 'undefined') missing.push('BigInt');
  if (missing.length === 0) return;
  throw new MantisError(
    'wasm-unsupported',
    'other',
    `this browser cannot run the database: it lacks ${missing.join(', ')}`,
    {
      hint: 'Chrome and Edge 96, Firefox 91 (in a module worker 114), Safari 15.4, Node 20.16, and later ones run it.',
    },
  );
}

/** The modules at addresses, compiled once a page. */
const compiled = new Map<string, Promise<WebAssembly.Module>>();

/** Compiles a module. `what` names it in errors. */
export async function compile(source: WasmSource, what: string): Promise<WebAssembly.Module> {
  checkEngine();
  try {
    if (typeof source !== 'string' && !(source instanceof URL)) return await compileNow(source);
    const address = String(source);
    const known = compiled.get(address);
    if (known !== undefined) return await known;
    const module = fetched(address);
    compiled.set(address, module);
    // A page that was offline for a moment can try again.
    module.catch(() => compiled.delete(address));
    return await module;
  } catch (cause) {
    const isForbidden = /content security policy|unsafe-eval/i.test(String(cause));
    const hint = isForbidden
      ? "The page's Content-Security-Policy must allow WebAssembly: script-src 'self' 'wasm-unsafe-eval'."
      : 'It must be where it was copied or bundled to, or be named.';
    throw new MantisError('wasm-unavailable', 'other', `${what} could not be loaded: ${String(cause)}`, {
      hint,
      cause,
    });
  }
}

async function fetched(address: string): Promise<WebAssembly.Module> {
  if (address.startsWith('file:')) return WebAssembly.compile(await readFile(address));
  const response = await fetch(whereItIs(address));
  return compileNow(response);
}

async function compileNow(source: Exclude<WasmSource, string | URL>): Promise<WebAssembly.Module> {
  if (source instanceof WebAssembly.Module) return source;
  if (!('arrayBuffer' in source)) return WebAssembly.compile(source);
  if (!source.ok) throw new Error(`${source.url} answered ${source.status}`);
  const type = source.headers.get('content-type') ?? '';
  if (type.startsWith('application/wasm')) return WebAssembly.compileStreaming(source);
  if (type.startsWith('text/html')) throw new Error(`${source.url} answered a page`);
  return WebAssembly.compile(await source.arrayBuffer());
}

/** The part of Node that a page does not have. */
interface NodeProcess {
  getBuiltinModule?: (name: string) => unknown;
}

/** Reads a file, in Node. Asked for so, it is no import that bundlers would follow: a worker's script may be one part only. */
async function readFile(address: string): Promise<BufferSource> {
  const { process } = globalThis as { process?: NodeProcess };
  const files = process?.getBuiltinModule?.('node:fs/promises') as NodeFiles | undefined;
  if (files === undefined) throw new Error('files are read in Node 20.16 or later');
  return files.readFile(new URL(address));
}

interface NodeFiles {
  readFile(file: URL): Promise<BufferSource>;
}

/** While an application is written, Vite serves packages' scripts from a folder of its own, and their other files from where they are. */
const BUNDLED_AHEAD = /^(.*?\/)(?:node_modules\/)?\.vite\/deps\/((mantisdb[a-z-]*|([\w-]+)\.core\d*)\.wasm)$/;

function whereItIs(address: string): string {
  const [, root, file, , plugin] = BUNDLED_AHEAD.exec(address) ?? [];
  if (root === undefined) return address;
  return `${root}node_modules/mantisdb-web/dist/${plugin === undefined ? '' : `plugins/${plugin}/`}${file}`;
}
