import type { Argument, Command, Option } from 'commander';
import type { ValueKind } from './find-values.ts';

/** What may stand in a place: values to ask for, files, certain words, or anything. */
export type Wanted = { kind: ValueKind | 'files' | 'anything' } | { kind: 'words'; words: readonly string[] };

export interface DescribedOption {
  /** `-m`, `--model`. */
  flags: string[];
  about: string;
  /** Absent where it takes no value. */
  value?: Wanted;
}

/** One command as a shell sees it. */
export interface DescribedCommand {
  /** `keys add`; empty for the whole. */
  path: string;
  subcommands: { name: string; about: string }[];
  options: DescribedOption[];
  /** What its arguments are; the last holds for any further ones. */
  arguments: Wanted[];
}

/** Every command that help shows, with what each place takes: the one source of all three shells' scripts. */
export function describeCommands(program: Command): DescribedCommand[] {
  const describe = (command: Command, path: string): DescribedCommand[] => {
    const help = command.createHelp();
    const subcommands = help.visibleCommands(command);
    const own: DescribedCommand = {
      path,
      subcommands: subcommands.map((sub) => ({ name: sub.name(), about: toAbout(sub.description()) })),
      options: help.visibleOptions(command).map((option) => describeOption(option, path)),
      arguments:
        subcommands.length > 0 ? [] : command.registeredArguments.map((argument) => describeArgument(argument, path)),
    };
    const below = subcommands.filter((sub) => sub.name() !== 'help');
    return [own, ...below.flatMap((sub) => describe(sub, `${path} ${sub.name()}`.trim()))];
  };
  const all = describe(program, '');
  const names = all[0]?.subcommands.map(({ name }) => name) ?? [];
  return [...all, { path: 'help', subcommands: [], options: [], arguments: [{ kind: 'words', words: names }] }];
}

function describeOption(option: Option, path: string): DescribedOption {
  const flags = [option.short, option.long].filter((flag) => flag !== undefined);
  const base = { flags, about: toAbout(option.description) };
  if (!option.required && !option.optional) return base;
  const [, placeholder = ''] = /[<[]([\w-]+)/.exec(option.flags) ?? [];
  return { ...base, value: toWanted(option.argChoices, [option.name(), placeholder], path) };
}

function describeArgument(argument: Argument, path: string): Wanted {
  return toWanted(argument.argChoices, [argument.name()], path);
}

/** By the names that commands give to what they take. */
function toWanted(choices: readonly string[] | undefined, names: readonly string[], path: string): Wanted {
  if (choices !== undefined) return { kind: 'words', words: choices };
  const has = (...wanted: string[]) => names.some((name) => wanted.includes(name));
  const [group = ''] = path.split(' ');
  if (has('model', 'models')) return { kind: 'models' };
  if (has('provider')) return { kind: 'providers' };
  if (has('conversation') || (group === 'conversations' && has('id'))) return { kind: 'conversations' };
  if (has('job', 'job-id', 'batch') || (group === 'batch' && has('id'))) return { kind: 'jobs' };
  if (has('file', 'files', 'file-or-url', 'path', 'output', 'from')) return { kind: 'files' };
  return { kind: 'anything' };
}

/** One short line. */
function toAbout(description: string): string {
  return description.replaceAll(/\s+/g, ' ').trim();
}
