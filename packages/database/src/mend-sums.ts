import { raw } from '@prisma/client/runtime/client';
import type { PlainConnection } from './plain-connection.ts';
import { loadMigrations } from './schema-files.ts';

/** It takes what demo answers would have cost out of every sum of money. Where that is done, it changes nothing. */
const demoMoney = '20261123202700_demo_money';

/** What a migration mended in sums is mended in those of a backup from before it, too. `schema`: the newest that its database had. */
export async function mendSums(connection: PlainConnection, schema: string): Promise<void> {
  if (schema >= demoMoney) return;
  const { migrationDirectories } = loadMigrations(connection.kind);
  const migration = migrationDirectories.find(({ path }) => path === demoMoney);
  if (migration === undefined) throw new TypeError(`${demoMoney} is among the migrations`);
  const statements = migration.migrationFile.content.value.split(';').filter((part) => part.trim() !== '');
  for (const statement of statements) await connection.run(raw(statement));
}
