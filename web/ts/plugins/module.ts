import { fromBase64, type PluginModule } from '../client.js';
import { compile } from '../wasm.js';

type CoreModule = WebAssembly.Module | Promise<WebAssembly.Module>;

/** The exports of `jco transpile --instantiation async`. */
export type Instantiate = (
  getCoreModule: (path: string) => CoreModule,
  imports: Record<string, unknown>,
) => Promise<Record<string, unknown>>;

/** The URL of a core module, or its bytes in base64. */
export type CoreSource = URL | string;

/** A component's JavaScript and description as a module for the page. Fetches and compiles its WebAssembly once. */
export function pluginModule(
  description: Omit<PluginModule, 'instantiate'>,
  instantiate: Instantiate,
  cores: Record<string, CoreSource>,
): PluginModule {
  const compiled = new Map<string, Promise<WebAssembly.Module>>();

  function load(path: string): Promise<WebAssembly.Module> {
    const known = compiled.get(path);
    if (known !== undefined) return known;
    const source = cores[path] ?? '';
    const module = compile(typeof source === 'string' ? (fromBase64(source) as BufferSource) : source, path);
    compiled.set(path, module);
    // A page that was offline for a moment can try again.
    module.catch(() => compiled.delete(path));
    return module;
  }

  return { ...description, instantiate: (imports) => instantiate(load, imports) };
}
