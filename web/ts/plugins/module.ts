import { fromBase64 } from '../bytes.js';
import type { PluginModule } from './api.js';

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

  function compile(path: string): Promise<WebAssembly.Module> {
    const known = compiled.get(path);
    if (known !== undefined) return known;
    const module = load(path, cores[path]);
    compiled.set(path, module);
    // A page that was offline for a moment can try again.
    module.catch(() => compiled.delete(path));
    return module;
  }

  return { ...description, instantiate: (imports) => instantiate(compile, imports) };
}

async function load(path: string, source: CoreSource | undefined): Promise<WebAssembly.Module> {
  if (source === undefined) throw new Error(`there is no ${path}`);
  if (typeof source === 'string') return WebAssembly.compile(fromBase64(source) as BufferSource);
  const response = await fetch(source);
  if (!response.ok) throw new Error(`${source.pathname} answered ${response.status}`);
  return WebAssembly.compile(await response.arrayBuffer());
}
