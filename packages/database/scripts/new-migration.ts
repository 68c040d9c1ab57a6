/**
 * Authors a migration for both databases from what changed in `prisma/models` since the last one:
 *
 *     npm run migration:new -w @aimm/database -- add_batches
 *
 * writes `prisma/<provider>/migrations/<time>_add_batches/migration.sql` twice and remembers the models in
 * `prisma/migrated-models.txt`, the old side of the next migration. It needs no database. Read the SQL before you commit
 * it: the engine does not know about a rename (it drops and adds), and a comment must hold no semicolon (the PostgreSQL
 * adapter splits there). The integration tests apply all migrations to empty databases and compare them with the models.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ColumnTypeEnum, mockAdapter, type SqlDriverAdapter } from '@prisma/driver-adapter-utils';
import type { DatabaseKind } from '../src/database-url.ts';
import { toTableFilter, withSchemaEngine } from '../src/schema-engine.ts';
import { loadSchemaFiles, prismaDir, type SchemaFile } from '../src/schema-files.ts';

const kinds: DatabaseKind[] = ['sqlite', 'postgresql'];
const snapshotPath = join(prismaDir, 'migrated-models.txt');
const name = process.argv[2];
if (name === undefined || !/^[a-z][a-z0-9_]*$/.test(name)) {
  console.error('usage: npm run migration:new -w @aimm/database -- <name_in_snake_case>');
  process.exit(2);
}

const time = new Date().toISOString().replaceAll(/\D/g, '').slice(0, 14);
const scripts = await Promise.all(kinds.map(async (kind) => ({ kind, sql: await diffModels(kind) })));
if (scripts.every(({ sql }) => sql === undefined)) {
  console.error('nothing changed in prisma/models since the last migration');
  process.exit(1);
}
for (const { kind, sql } of scripts) {
  const dir = join(prismaDir, kind, 'migrations', `${time}_${name}`);
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'migration.sql'), sql ?? '-- This database is not affected.\n');
  console.log(join(dir, 'migration.sql'));
}
writeFileSync(snapshotPath, joinModels(loadSchemaFiles('sqlite')));

/** The SQL from the remembered models to the present ones; undefined where there is no difference. */
async function diffModels(kind: DatabaseKind): Promise<string | undefined> {
  const [base, ...models] = loadSchemaFiles(kind);
  if (base === undefined) throw new Error(`prisma/${kind}/base.prisma is missing`);
  const before = existsSync(snapshotPath)
    ? {
        tag: 'schemaDatamodel' as const,
        files: [base, { path: 'before.prisma', content: readFileSync(snapshotPath, 'utf8') }],
      }
    : { tag: 'empty' as const };
  const after = { tag: 'schemaDatamodel' as const, files: [base, ...models] };
  const { exitCode, stdout } = await withSchemaEngine([base, ...models], createOfflineFactory(kind), (engine) =>
    engine.diff({ from: before, to: after, script: true, exitCode: true, filters: toTableFilter(kind) }),
  );
  return exitCode === 0 ? undefined : (stdout ?? undefined);
}

function joinModels([, ...models]: SchemaFile[]): string {
  return models.map((file) => file.content).join('\n');
}

/** An adapter without a database behind it. PostgreSQL's differ asks one thing: which version it writes for. */
function createOfflineFactory(kind: DatabaseKind) {
  const adapter: SqlDriverAdapter = {
    ...mockAdapter(kind === 'sqlite' ? 'sqlite' : 'postgres'),
    dispose: async () => undefined,
    queryRaw: async () => ({
      columnNames: ['exists', 'version', 'numeric_version'],
      columnTypes: [ColumnTypeEnum.Boolean, ColumnTypeEnum.Text, ColumnTypeEnum.Int32],
      rows: [[true, 'PostgreSQL 17.0', 170_000]],
    }),
  };
  const connect = async () => adapter;
  return { provider: adapter.provider, adapterName: adapter.adapterName, connect, connectToShadowDb: connect };
}
