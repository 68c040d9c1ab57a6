import type { DescribedCommand, DescribedOption, Wanted } from './describe-commands.ts';
import { quoteForFish as quote, type ScriptPlaces } from './shell-words.ts';

/** A script for fish 3 and newer. */
export function toFishScript(commands: readonly DescribedCommand[], { names, node, bin }: ScriptPlaces): string {
  const subcommands = commands.flatMap(({ path, subcommands: subs }) => subs.map(({ name }) => `${path} ${name}`));
  const lines = names.flatMap((name) => [
    `complete -c ${name} -f`,
    ...commands.flatMap((command) => toLines(command).map((line) => `complete -c ${name} ${line}`)),
  ]);
  return `# Completion of ${names.join(' and ')} for fish, as \`aimm completion fish\` printed it.
function __aimm_values
    test -x ${quote(node)}; or return
    set -l begun (string replace -r '^--[^=]*=' '' -- (commandline -ct))
    ${quote(node)} ${quote(bin)} __complete $argv[1] "$begun" 2>/dev/null </dev/null
end

function __aimm_at
    set -l at ''
    for word in (commandline -opc)[2..-1]
        switch "$at $word"
            case '* -*'
                continue
            case ${subcommands.map(quote).join(' ')}
                set at (string trim -- "$at $word")
        end
    end
    test "$at" = "$argv[1]"
end

${lines.join('\n')}
`;
}

function toLines({ path, subcommands, options, arguments: wanted }: DescribedCommand): string[] {
  const when = `-n ${quote(`__aimm_at ${quote(path)}`)}`;
  return [
    ...subcommands.map(({ name, about }) => `${when} -a ${name} -d ${quote(about)}`),
    ...options.map((option) => `${when} ${toFlags(option)} -d ${quote(option.about)}`),
    ...wanted.flatMap((each) => (each.kind === 'anything' ? [] : [`${when} ${toOffer(each)}`])),
  ];
}

function toFlags({ flags, value }: DescribedOption): string {
  const names = flags.map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`));
  if (value === undefined) return names.join(' ');
  return [...names, value.kind === 'files' ? '-r -F' : `-x ${toOffer(value)}`].join(' ').trim();
}

function toOffer(wanted: Wanted): string {
  switch (wanted.kind) {
    case 'anything':
      return '';
    case 'files':
      return '-F';
    case 'words':
      return `-a ${quote(wanted.words.join(' '))}`;
    case 'models':
    case 'providers':
    case 'conversations':
    case 'jobs':
      return `-k -a ${quote(`(__aimm_values ${wanted.kind})`)}`;
  }
}
