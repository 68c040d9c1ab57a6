import type { SqlMigrationAwareDriverAdapterFactory } from '@prisma/driver-adapter-utils';
import { type DatabaseKind, parseDatabaseKind, toSqlitePath } from './database-url.ts';
import { guardDatabase } from './failures.ts';
import { loadSchemaFiles, prismaDir } from './schema-files.ts';

/** The SQL that would make the database what the models say; undefined when it is that already. */
export async function findDrift({ url }: { url: string }): Promise<string | undefined> {
  const kind = parseDatabaseKind(url);
  const { toTableFilter, withSchemaEngine } = await import('./schema-engine.ts');
  const files = loadSchemaFiles(kind);
  return guardDatabase(kind, async () => {
    const factory = await createReadingFactory(kind, url);
    const { exitCode, stdout } = await withSchemaEngine(files, factory, (engine) =>
      engine.diff({
        from: { tag: 'schemaDatasource', files, configDir: prismaDir },
        to: { tag: 'schemaDatamodel', files },
        script: true,
        exitCode: true,
        filters: toTableFilter(kind),
      }),
    );
    return exitCode === 0 ? undefined : (stdout ?? '');
  });
}

async function createReadingFactory(kind: DatabaseKind, url: string): Promise<SqlMigrationAwareDriverAdapterFactory> {
  if (kind === 'sqlite') {
    const { PrismaBetterSqlite3 } = await import('@prisma/adapter-better-sqlite3');
    return new PrismaBetterSqlite3({ url: toSqlitePath(url) });
  }
  const { createCatalogFactory } = await import('./postgres-catalog.ts');
  return createCatalogFactory(url);
}
