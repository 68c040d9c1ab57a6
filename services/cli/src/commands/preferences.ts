import { everyClient, ModelManagerError, type PreferenceSettings, ReasoningEffort } from '@aimm/contracts';
import type { PreferenceChange, PreferenceList, PreferenceView } from '@aimm/manager';
import { type Command, InvalidArgumentError } from 'commander';
import { colours } from '../colours.ts';
import { formatTable, print, printJson, toOneLine } from '../output.ts';
import { parseCount, parseList, parseNumber } from '../parse-options.ts';
import { withSession } from '../session.ts';

interface Owner {
  client?: string;
  everyone?: boolean;
  json?: boolean;
}
type SetOptions = Owner & { model?: string[]; maxOutputTokens?: number } & Pick<
    PreferenceSettings,
    'system' | 'temperature' | 'topP' | 'seed' | 'reasoningEffort'
  >;

export function addPreferencesCommand(program: Command): void {
  const preferences = program
    .command('preferences')
    .description('Aliases for models with settings, what auto chooses from, and defaults');
  addOwnerOptions(preferences.command('list').description('List the preferences in force'))
    .addHelpText('after', '\nExamples:\n  $ aimm preferences list\n  $ aimm preferences list --client ci --json\n')
    .action(listPreferences);
  addOwnerOptions(preferences.command('set').description('Let a name stand for a model, or for several in turn'))
    .argument('<name>', 'an alias; `default` for requests that name no model; `auto` for what that chooses from')
    .option(
      '-m, --model <models>',
      'a model or a pool; of several, separated by commas, the first that can be asked',
      parseList,
    )
    .option('-s, --system <text>', 'instructions for the model')
    .option('--max-output-tokens <count>', 'longest answer, in tokens', parseCount(1))
    .option('--temperature <number>', 'how freely it words its answer, 0 to 2', parseNumber(0, 2))
    .option('--top-p <number>', 'choose among the likeliest words that make up this share, 0 to 1', parseNumber(0, 1))
    .option('--seed <number>', 'for repeatable answers, where the model can', parseCount(0))
    .option('--reasoning-effort <effort>', `how much it thinks: ${ReasoningEffort.options.join(', ')}`, parseEffort)
    .addHelpText(
      'after',
      '\nExamples:\n  $ aimm preferences set fast --model openai/gpt-6-luna\n  $ aimm preferences set review -m anthropic/claude-sonnet-5-5,openai/gpt-6.2-sol --temperature 0.2 --system "Be strict."\n  $ aimm preferences set default --model smart --max-output-tokens 2000\n  $ aimm preferences set auto -m mistral/mistral-medium-3-5,ollama/llama3.2 --everyone\n  $ aimm generate --model review "…"\n',
    )
    .action(setPreference);
  addOwnerOptions(preferences.command('remove').description('Remove a preference; what it hid is in force again'))
    .argument('<name>', 'its name, as `aimm preferences list` shows it')
    .addHelpText(
      'after',
      '\nExamples:\n  $ aimm preferences remove review\n  $ aimm preferences remove fast --everyone --json\n',
    )
    .action(removePreference);
}

function addOwnerOptions(command: Command): Command {
  return command
    .option('-c, --client <name>', 'of this client (default: the one that this command asks as, local)')
    .option('--everyone', 'of every client')
    .option('--json', 'print JSON');
}

async function listPreferences({ json, ...owner }: Owner): Promise<void> {
  const list = await withSession(({ manager, caller }) => manager.getPreferences(caller, toOwner(owner)));
  if (json === true) printJson(list);
  else print(formatList(list));
}

async function setPreference(name: string, options: SetOptions): Promise<void> {
  const { client, everyone, json, model: models, ...settings } = options;
  // Nothing given would remove it: that has a command of its own.
  if (models === undefined && Object.keys(settings).length === 0) {
    throw new ModelManagerError('invalid_request', 'There is nothing to set.', {
      hint: 'Give --model or a setting; `aimm preferences remove` removes a preference.',
    });
  }
  const owner = toOwner({ client, everyone });
  const change = await withSession(({ manager, caller }) =>
    manager.setPreference(caller, { name, models, settings, client: owner }),
  );
  if (json === true) printJson(change);
  else print(formatChange(change));
}

async function removePreference(name: string, { json, ...owner }: Owner): Promise<void> {
  const change = await withSession(({ manager, caller }) =>
    manager.setPreference(caller, { name, client: toOwner(owner) }),
  );
  if (json === true) printJson(change);
  else print(formatChange(change));
}

function toOwner({ client, everyone }: Owner): string | undefined {
  return everyone === true ? everyClient : client;
}

const scopes: Readonly<Record<PreferenceView['scope'], string>> = {
  own: 'own',
  everybody: "everybody's",
  built_in: 'built in',
};

function formatList({ preferences }: PreferenceList): string {
  const rows = preferences.map((view) => [view.name, scopes[view.scope], toMeaning(view), toSettings(view)]);
  return formatTable(['Name', 'Whose', 'Stands for', 'Settings'], rows);
}

function formatChange({ change, name, inForce, warnings }: PreferenceChange): string {
  const done = { set: 'Set.', removed: 'Removed.', none: 'There was none to remove.' }[change];
  const settings = inForce === undefined ? '' : toSettings(inForce);
  const now =
    inForce === undefined
      ? `Nothing is called ${name} now.`
      : `${name} (${scopes[inForce.scope]}) is ${toMeaning(inForce)}${settings === '' ? '' : `, ${settings}`}.`;
  return [`${done} ${now}`, ...warnings.map((warning) => colours.yellow(warning))].join('\n');
}

function toMeaning({ means, hiddenBy }: PreferenceView): string {
  return hiddenBy === undefined ? means : `${means} (not used: ${hiddenBy} has that name)`;
}

function toSettings({ settings }: PreferenceView): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${toOneLine(typeof value === 'string' ? value : JSON.stringify(value), 40)}`)
    .join(' ');
}

function parseEffort(value: string): ReasoningEffort {
  const parsed = ReasoningEffort.safeParse(value);
  if (!parsed.success) throw new InvalidArgumentError(`expected ${ReasoningEffort.options.join(', ')}`);
  return parsed.data;
}
