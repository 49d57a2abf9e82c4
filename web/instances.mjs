// Makes of wasm-bindgen's glue, whose module has one instance of the store for all, a function that makes an instance at each call.

const EXPORTS = /^export \{ initSync, __wbg_init as default \};$/m;

/** The glue as a function of a compiled module, and the function's type. */
export function perInstance(glue) {
  const imports = glue.match(/^import .*$/gm) ?? [];
  const classes = [...glue.matchAll(/^export class (\w+)/gm)].map(([, name]) => name);
  if (classes.length === 0 || !EXPORTS.test(glue)) throw new Error('the glue is not as wasm-bindgen used to write it');
  const body = glue
    .replace(/^import .*$/gm, '')
    .replace(/^export class/gm, 'class')
    .replace(EXPORTS, '');
  // An instance that crashed, or was closed, is let go of. What is freed afterwards, by hand or by the collector, is gone with it.
  const script = `${imports.join('\n')}
export default async function instantiate(module) {
${body}
  await __wbg_init({ module_or_path: module });
  const letGo = () => {
    wasm = new Proxy({}, { get: () => () => 0 });
    wasmInstance = wasmModule = undefined;
    cachedDataViewMemory0 = cachedUint8ArrayMemory0 = null;
  };
  return { ${classes.join(', ')}, letGo };
}
`;
  const types = `import type * as exports from './mantis_web.js';

export type Exports = Pick<typeof exports, ${classes.map((name) => `'${name}'`).join(' | ')}> & {
  /** Drops the instance with its memory: all that is freed later is ignored. */
  letGo(): void;
};
export default function instantiate(module: WebAssembly.Module): Promise<Exports>;
`;
  return { script, types };
}
