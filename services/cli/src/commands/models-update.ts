import { loadCatalog, mergeModels, type MergedModels, readModelsFile, writeModelsFile } from '@aimm/catalog';
import { loadEnvironment, requireNoFaults } from '@aimm/runtime';
import type { Command } from 'commander';
import { fetchPublishedModels } from '../fetch-published-models.ts';
import { print, printJson } from '../output.ts';

const published = 'https://models.dev/api.json';

export function addModelsUpdateCommand(models: Command): void {
  models
    .command('update')
    .description('Bring config/models.json up to date with models.dev; quirks and prices of your own stay')
    .option('--from <address>', 'another address, or a file, with such a list', published)
    .option('--dry-run', 'say what would change, and change nothing')
    .addHelpText('after', '\nExamples:\n  $ aimm models update --dry-run\n  $ aimm models update --from ./api.json\n')
    .action((_options, command: Command) => updateModels(command.optsWithGlobals()));
}

async function updateModels(options: { from: string; dryRun?: boolean; json?: boolean }): Promise<void> {
  const { env, raw, faults } = loadEnvironment();
  const { catalog, faults: fileFaults } = loadCatalog({ configDir: env.configDir, env: raw });
  requireNoFaults(faults, fileFaults);
  const { path, file } = readModelsFile(env.configDir);
  if (file === undefined) throw new TypeError('a file without faults has content');
  const list = await fetchPublishedModels(options.from);
  const today = new Date().toISOString().slice(0, 10);
  const merged = mergeModels(file, list, { providers: catalog.providers, today });
  if (options.dryRun !== true) writeModelsFile(path, merged.file);
  const { added, changed, doubtful } = merged;
  if (options.json === true) printJson({ path, checkedOn: today, added, changed, doubtful });
  else print(formatUpdate(merged, path, options.dryRun === true));
}

function formatUpdate({ added, changed, doubtful }: MergedModels, path: string, isDry: boolean): string {
  const section = (title: string, lines: readonly string[]) =>
    lines.length === 0 ? [] : [title, ...lines.map((line) => `  ${line}`)];
  return [
    ...section('Added (look at their quirks and prices):', added),
    ...section(
      'Changed:',
      changed.map(({ model, fields }) => `${model}: ${fields.join(', ')}`),
    ),
    ...section('Not published any more, or as deprecated; left as they are:', doubtful),
    ...(added.length + changed.length === 0 ? ['Every model is as published.'] : []),
    isDry ? `${path} was not touched.` : `${path} is up to date. Running processes read it when they start anew.`,
  ].join('\n');
}
