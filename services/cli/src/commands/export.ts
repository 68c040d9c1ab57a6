import type { ExportSummary } from '@aimm/database';
import type { Command } from 'commander';
import { formatPlural } from '@aimm/runtime/format';
import { writeWhole } from '../backup-file.ts';
import { printJson } from '../output.ts';
import { createProgress } from '../progress.ts';
import { findDatabaseUrl } from '../with-database.ts';
import { withoutPassword } from './status.ts';

export function addExportCommand(program: Command): void {
  program
    .command('export')
    .description('Back up everything in the database except secrets, as lines of JSON; also while the stack runs')
    .option('-o, --output <file>', 'where to, compressed if it ends in .gz; - is stdout', '-')
    .option('--json', 'print what was written as JSON; needs --output')
    .addHelpText(
      'after',
      `
What is in it: conversations, batches, usage, preferences. What is not: provider keys and access tokens, which are secrets
and have to be made anew after an import; jobs, which are in Redis; the files in config/.
The database is that of DATABASE_URL, of the stack that runs, or the local file.

Examples:
  $ aimm export --output backup.jsonl.gz
  $ aimm export | ssh elsewhere 'cat > backup.jsonl'
  $ DATABASE_URL=postgresql://app@db/aimm aimm export --output /backups/aimm.jsonl.gz
`,
    )
    .action(exportAll);
}

async function exportAll({ output, json }: { output: string; json?: boolean }, command: Command): Promise<void> {
  if (json === true && output === '-')
    command.error("error: option '--json' needs '--output <file>': stdout is the backup");
  const { url, logger } = await findDatabaseUrl();
  const { exportDatabase } = await import('@aimm/database');
  const progress = createProgress();
  let summary: ExportSummary | undefined;
  const onProgress = (rows: number) => progress.show(`Exported ${formatPlural(rows, 'row')} …`);
  const pieces = async function* () {
    summary = yield* exportDatabase({ url, logger, onProgress });
  };
  try {
    await writeWhole(output, pieces());
  } finally {
    progress.end();
  }
  if (summary === undefined) throw new TypeError('what was written has an end');
  if (json === true) {
    printJson({ output, database: withoutPassword(url), rows: summary.rows, leftOut: summary.leftOut });
    return;
  }
  const to = output === '-' ? '' : ` to ${output}`;
  process.stderr.write(`Exported ${formatPlural(summary.rows, 'row')} of ${withoutPassword(url)}${to}.\n`);
  const secrets = describeSecrets(summary.leftOut);
  if (secrets !== undefined) process.stderr.write(`Not in it, as they are secret: ${secrets}.\n`);
}

/** `2 provider keys and 1 access token`; undefined where there are none. */
export function describeSecrets({ api_keys = 0, access_tokens = 0 }: Record<string, number>): string | undefined {
  const parts = [
    ...(api_keys === 0 ? [] : [formatPlural(api_keys, 'provider key')]),
    ...(access_tokens === 0 ? [] : [formatPlural(access_tokens, 'access token')]),
  ];
  return parts.length === 0 ? undefined : parts.join(' and ');
}
