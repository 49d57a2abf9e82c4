// The package as `npm pack` makes it, installed into folders of applications.

import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const at = (path) => fileURLToPath(new URL(path, import.meta.url));

/** Packs and unpacks the package, built before. `folder` is what is in it. */
export function pack() {
  const work = realpathSync(mkdtempSync(join(tmpdir(), 'mantisdb-client-')));
  const options = ['pack', '--pack-destination', work, '--ignore-scripts', '--loglevel', 'error'];
  execFileSync('npm', options, { cwd: at('..'), stdio: ['ignore', 'ignore', 'inherit'] });
  const tarball = join(work, readdirSync(work)[0]);
  execFileSync('tar', ['-xzf', tarball, '-C', work]);
  const folder = join(work, 'package');
  const { name } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  return {
    tarball,
    folder,
    /** A folder with what is in `application` and the package in `node_modules`. */
    install(application) {
      const root = realpathSync(mkdtempSync(join(work, 'application-')));
      cpSync(application, root, { recursive: true });
      mkdirSync(join(root, 'node_modules'));
      cpSync(folder, join(root, 'node_modules', name), { recursive: true });
      return root;
    },
    remove: () => rmSync(work, { recursive: true, force: true }),
  };
}
