/** The source of the WebAssembly module: its URL, its bytes, or the module itself. */
export type WasmSource = string | URL | Response | BufferSource | WebAssembly.Module;
