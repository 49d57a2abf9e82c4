/**
 * The features of WebAssembly that the compiler uses, by wasm-opt's names, and no others may be in what is shipped: Chrome and Edge have
 * all since version 96, Firefox since 79, Safari since 15, Node since 16. `ts/wasm.ts` has the same list, to say what a browser lacks.
 */
export const FEATURES = [
  'bulk-memory',
  'bulk-memory-opt',
  'multivalue',
  'mutable-globals',
  'nontrapping-float-to-int',
  'reference-types',
  'sign-ext',
];
