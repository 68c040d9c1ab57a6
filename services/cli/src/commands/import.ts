import type { Command } from 'commander';
import { formatCount, formatPlural } from '@aimm/runtime/format';
import { openBackup } from '../backup-file.ts';
import { formatTable, print, printJson } from '../output.ts';
import { createProgress } from '../progress.ts';
import { findDatabaseUrl } from '../with-database.ts';
import { describeSecrets } from './export.ts';
import { withoutPassword } from './status.ts';

export function addImportCommand(program: Command): void {
  program
    .command('import')
    .description('Restore what `aimm export` wrote, into SQLite or PostgreSQL: all of it or nothing')
    .argument('<file>', 'the backup, compressed or not; - is stdin')
    .option('--merge', 'into a database that is not empty: add what is missing, change nothing that is there')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
The whole file is checked before anything is written; faults are reported with their line.
The database is that of DATABASE_URL, of the stack that runs, or the local file. It is made ready first.
Provider keys and access tokens are in no backup: \`aimm keys add\` and \`aimm tokens create\` make them anew.

Examples:
  $ aimm import backup.jsonl.gz
  $ DATABASE_URL=postgresql://app@db/aimm aimm import backup.jsonl.gz
  $ ssh elsewhere cat backup.jsonl | aimm import - --merge
`,
    )
    .action(importAll);
}

async function importAll(file: string, { merge, json }: { merge?: boolean; json?: boolean }): Promise<void> {
  const source = await openBackup(file);
  const { url, logger } = await findDatabaseUrl({ makesFolder: true });
  const { importDatabase } = await import('@aimm/database');
  const progress = createProgress();
  const onProgress = (step: 'checked' | 'written', rows: number) =>
    progress.show(`${step === 'checked' ? 'Checked' : 'Wrote'} ${formatPlural(rows, 'row')} …`);
  const summary = await importDatabase({ url, logger, source, merges: merge === true, onProgress }).finally(() =>
    progress.end(),
  );
  if (json === true) return printJson({ database: withoutPassword(url), ...summary });
  const { inserted, skipped, tables, notes, leftOut } = summary;
  const rows = Object.entries(tables).map(([name, counts]) => [
    name,
    formatCount(counts.inserted),
    formatCount(counts.skipped),
  ]);
  print(formatTable(['Table', 'Inserted', 'Skipped'], rows));
  const past = skipped === 0 ? '' : ` Skipped ${formatPlural(skipped, 'row')}: there already, or part of what is.`;
  print(`\nImported ${formatPlural(inserted, 'row')} into ${withoutPassword(url)}.${past}`);
  for (const note of notes) print(note);
  const secrets = describeSecrets(leftOut);
  if (secrets !== undefined) {
    print(`Not in the backup: ${secrets}. Make them anew: \`aimm keys add\`, \`aimm tokens create\`.`);
  }
}
