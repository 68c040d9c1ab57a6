import type { Command } from 'commander';
import { colours } from '../colours.ts';
import type { Finding } from '../doctor/finding.ts';
import { print, printJson } from '../output.ts';
import { QuietFailure } from '../report-failure.ts';

export function addDoctorCommand(program: Command): void {
  program
    .command('doctor')
    .description('Look for what is wrong, and say how to mend it (exit code 1 when something must be mended)')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ aimm doctor
  $ aimm doctor --json | jq '.[] | select(.state == "failed")'
`,
    )
    .action(showFindings);
}

async function showFindings(options: { json?: boolean }): Promise<void> {
  // Loaded here: no other command needs it.
  const { examine } = await import('../doctor/examine.ts');
  const findings = await examine();
  if (options.json === true) printJson(findings);
  else print([...findings.map(formatFinding), '', formatCounts(findings)].join('\n'));
  if (findings.some(({ state }) => state === 'failed')) throw new QuietFailure();
}

function formatFinding({ check, state, says, mend }: Finding): string {
  const marks = { ok: colours.green('ok     '), warning: colours.yellow('warning'), failed: colours.red('FAILED ') };
  return `${marks[state]}  ${check}: ${says}${mend === undefined ? '' : `\n         ${colours.dim('→')} ${mend}`}`;
}

function formatCounts(findings: readonly Finding[]): string {
  const count = (wanted: Finding['state']) => findings.filter(({ state }) => state === wanted).length;
  return `${count('ok')} well, ${count('warning')} to look at, ${count('failed')} to mend.`;
}
