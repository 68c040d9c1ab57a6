import {
  type FieldChange,
  loadCatalog,
  mergeModels,
  type MergedModels,
  readModelsFile,
  writeModelsFile,
} from '@aimm/catalog';
import { ModelManagerError } from '@aimm/contracts';
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
  if (options.dryRun !== true) replaceFile(path, merged.file);
  const { added, changed, doubtful, unlisted } = merged;
  if (options.json === true) printJson({ path, checkedOn: today, added, changed, doubtful, unlisted });
  else print(formatUpdate(merged, path, options.dryRun === true));
}

function replaceFile(path: string, file: MergedModels['file']): void {
  try {
    writeModelsFile(path, file);
  } catch (cause) {
    throw new ModelManagerError('invalid_request', `${path} cannot be replaced: ${(cause as Error).message}.`, {
      cause,
      hint: 'Nothing was changed. The folder must be writable, and the file no mount of its own.',
    });
  }
}

/** `contextWindow 1000 → 2000`; of lists what is new in them. */
function formatChange({ field, from, to }: FieldChange): string {
  if (!Array.isArray(to)) {
    return [field, ...(from === undefined ? [] : [JSON.stringify(from), '→']), JSON.stringify(to)].join(' ');
  }
  const before: readonly unknown[] = Array.isArray(from) ? from : [];
  return `${field} + ${to.filter((item) => !before.includes(item)).join(' + ')}`;
}

function formatUpdate({ added, changed, doubtful, unlisted }: MergedModels, path: string, isDry: boolean): string {
  const section = (title: string, lines: readonly string[]) =>
    lines.length === 0 ? [] : [title, ...lines.map((line) => `  ${line}`)];
  return [
    ...section('Added (look at their quirks and prices):', added),
    ...section(
      'Changed:',
      changed.map(({ model, fields }) => `${model}: ${fields.map(formatChange).join(', ')}`),
    ),
    ...section('Not published any more, or as deprecated; left as they are:', doubtful),
    ...section('Not compared, as the list has nothing of them:', unlisted),
    ...(added.length + changed.length === 0 ? ['What could be compared is as published.'] : []),
    isDry ? `${path} was not touched.` : `${path} is up to date. Running processes that use it read it at once.`,
  ].join('\n');
}
