import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const checkout = fileURLToPath(new URL('../../../', import.meta.url));

/**
 * A mark of what a process runs, beside the version, which stays the same from one commit to the next: of the lock file, and of the
 * names and sizes of sources and migrations. The same in every copy, needs no git, and takes some milliseconds: read it once.
 */
export function readBuild(root = checkout): string {
  const lock = join(root, 'package-lock.json');
  const hash = createHash('sha256').update(existsSync(lock) ? readFileSync(lock) : '');
  // An update may take one away just now.
  const sizeOf = (path: string) => statSync(join(root, path), { throwIfNoEntry: false })?.size;
  for (const path of listSources(root).toSorted()) hash.update(`\0${path} ${sizeOf(path)}`);
  return hash.digest('hex').slice(0, 10);
}

function listSources(root: string): string[] {
  const rooms = ['packages', 'services'].flatMap((kind) =>
    readdirSync(join(root, kind)).map((name) => `${kind}/${name}/src`),
  );
  return [...rooms, 'prisma'].flatMap((folder) => filesUnder(root, folder));
}

function filesUnder(root: string, folder: string): string[] {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    return entry.isDirectory() ? filesUnder(root, path) : [path];
  });
}
