import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseKind } from './database-url.ts';

/** `prisma/` of the checkout: the models, and per database its migrations. */
export const prismaDir = join(import.meta.dirname, '../../../prisma');

export interface SchemaFile {
  path: string;
  content: string;
}

/** The schema of one database: its own base file and the models that both share. */
export function loadSchemaFiles(kind: DatabaseKind): SchemaFile[] {
  const models = readdirSync(join(prismaDir, 'models')).filter((name) => name.endsWith('.prisma'));
  const paths = [
    join(prismaDir, kind, 'base.prisma'),
    ...models.toSorted().map((name) => join(prismaDir, 'models', name)),
  ];
  return paths.map((path) => ({ path, content: readFileSync(path, 'utf8') }));
}

/** Names of the migrations that a database of this kind must have, oldest first. */
export function listMigrations(kind: DatabaseKind): string[] {
  const dir = join(prismaDir, kind, 'migrations');
  if (!existsSync(dir)) return [];
  const folders = readdirSync(dir, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return folders.map((entry) => entry.name).toSorted();
}

/** The migrations with their SQL, as the schema engine takes them. */
export function loadMigrations(kind: DatabaseKind) {
  const baseDir = join(prismaDir, kind, 'migrations');
  const migrationDirectories = listMigrations(kind).map((path) => {
    const content = readFileSync(join(baseDir, path, 'migration.sql'), 'utf8');
    return { path, migrationFile: { path: 'migration.sql', content: { tag: 'ok' as const, value: content } } };
  });
  return {
    baseDir,
    lockfile: { path: 'migration_lock.toml', content: `provider = "${kind}"\n` },
    shadowDbInitScript: '',
    migrationDirectories,
  };
}
