/** Where the WebAssembly module comes from: its address, its bytes, or the module itself. */
export type WasmSource = string | URL | Response | BufferSource | WebAssembly.Module;
