import type { ModelList } from '@aimm/manager';
import type { Command } from 'commander';
import { formatCount } from '@aimm/runtime/format';
import { colours } from '../colours.ts';
import { formatTable, print, printJson } from '../output.ts';
import { withSession } from '../session.ts';
import { addModelsUpdateCommand } from './models-update.ts';

export function addModelsCommand(program: Command): void {
  const models = program
    .command('models')
    .description('List the models that can be asked')
    .option('-p, --provider <id>', 'only models of this provider')
    .option('-s, --search <text>', 'only models whose id or name contains this')
    .option('--refresh', 'ask the providers anew')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExamples:\n  $ aimm models --provider anthropic\n  $ aimm models --search mini --json\n')
    .action(listModels);
  addModelsUpdateCommand(models);
}

async function listModels(options: {
  provider?: string;
  search?: string;
  refresh?: boolean;
  json?: boolean;
}): Promise<void> {
  const { provider, search, refresh, json } = options;
  const list = await withSession(({ manager }) => manager.listModels({ provider, search, refresh }));
  if (json === true) printJson(list);
  else print(formatModels(list));
}

function formatModels({ models, problems }: ModelList): string {
  if (models.length === 0) return 'No model matches.';
  const price = (usd: number | undefined) => (usd === undefined ? '–' : `$${usd}`);
  const rows = models.map((model) => [
    `${model.provider}/${model.id}`,
    formatCount(model.contextWindow),
    price(model.prices?.inputPerMillionUsd),
    price(model.prices?.outputPerMillionUsd),
    model.demo ? 'demo' : model.available === undefined ? 'not known' : model.available ? 'yes' : 'no',
  ]);
  return [
    formatTable(['Model', 'Context', 'In $/M', 'Out $/M', 'Available'], rows),
    ...problems.map(({ provider, error }) => colours.yellow(`${provider}: ${error.message}`)),
  ].join('\n');
}
