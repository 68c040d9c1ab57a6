import { mkdirSync } from 'node:fs';
import type { Command } from 'commander';
import { print, printJson } from '../output.ts';
import { openCommandEnvironment } from '../session.ts';
import { toStackDatabaseUrl } from '../stack/database-url.ts';
import { withoutPassword } from './status.ts';

export function addMigrateCommand(program: Command): void {
  program
    .command('migrate')
    .description('Bring the database up to date now (every process also does so when it starts)')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  $ aimm migrate\n  $ DATABASE_URL=postgresql://app@db/aimm aimm migrate --json\n',
    )
    .action(migrate);
}

async function migrate({ json }: { json?: boolean }): Promise<void> {
  const { env, logger } = await openCommandEnvironment();
  const url = toStackDatabaseUrl(env);
  if (env.DATABASE_URL === undefined) mkdirSync(env.dataDir, { recursive: true, mode: 0o700 });
  const { migrateDatabase } = await import('@aimm/database');
  const applied = await migrateDatabase({ url, logger });
  if (json === true) return printJson({ database: withoutPassword(url), applied });
  print(
    applied.length === 0
      ? `${withoutPassword(url)} is up to date.`
      : `Applied to ${withoutPassword(url)}:\n${applied.map((name) => `  ${name}`).join('\n')}`,
  );
}
