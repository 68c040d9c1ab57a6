import type { DescribedCommand, Wanted } from './describe-commands.ts';
import { quote, type ScriptPlaces, toCases } from './shell-words.ts';

/** A script for bash 4 and newer, which needs no other package. */
export function toBashScript(commands: readonly DescribedCommand[], { names, node, bin }: ScriptPlaces): string {
  return `# Completion of ${names.join(' and ')} for bash, as \`aimm completion bash\` printed it.
_aimm_values() { [ -x ${quote(node)} ] && ${quote(node)} ${quote(bin)} __complete "$1" "$2" 2>/dev/null </dev/null; }

_aimm() {
  local line=\${COMP_LINE:0:COMP_POINT} cur='' prev at='' word kind=anything list='' value count=0
  local -a words
  read -ra words <<<"$line"
  if [[ $line != *[[:space:]] ]]; then
    cur=\${words[\${#words[@]}-1]}
    unset "words[\${#words[@]}-1]"
  fi
  prev=\${words[\${#words[@]}-1]}
  for word in "\${words[@]:1}"; do
    case "$word" in -*) continue ;; esac
    case "$at $word" in
      ${toSubcommandCases(commands)}) at="\${at:+$at }$word" ;;
      *) count=$((count + 1)) ;;
    esac
  done
  value=$cur
  if [[ $cur == --*=* ]]; then
    prev=\${cur%%=*}
    value=\${cur#*=}
  fi
  case "$at $prev" in
${toCases(optionValues(commands), (wanted) => toSetting(wanted), '    ')}
    *)
      case "$at" in
${toCases(argumentLists(commands), (list) => list, '        ')}
      esac
      ;;
  esac
  if [[ $cur == -* && $cur != *=* ]]; then
    kind=words
    case "$at" in
${toCases(optionLists(commands), (list) => list, '      ')}
    esac
  fi
  COMPREPLY=()
  case "$kind" in
    files) compopt -o default 2>/dev/null; return ;;
    anything) return ;;
    words) ;;
    *) list=$(_aimm_values "$kind" "$value") ;;
  esac
  # What bash takes for the word's beginning stays on the line.
  local kept=''
  [[ $value == *:* && $COMP_WORDBREAKS == *:* ]] && kept=\${value%"\${value##*:}"}
  while IFS= read -r word; do
    [[ -n $word && $word == "$value"* ]] && COMPREPLY+=("\${word#"$kept"}")
  done <<<"$list"
  return 0
}
complete -F _aimm ${names.join(' ')}
`;
}

function toSubcommandCases(commands: readonly DescribedCommand[]): string {
  return commands
    .flatMap(({ path, subcommands }) => subcommands.map(({ name }) => quote(`${path} ${name}`)))
    .join(' | ');
}

/** Behind which option stands what. */
function optionValues(commands: readonly DescribedCommand[]): [string, Wanted][] {
  return commands.flatMap(({ path, options }) =>
    options.flatMap(({ flags, value }) =>
      value === undefined ? [] : flags.map((flag): [string, Wanted] => [`${path} ${flag}`, value]),
    ),
  );
}

function optionLists(commands: readonly DescribedCommand[]): [string, string][] {
  return commands.map(({ path, options }) => [path, toList(options.flatMap(({ flags }) => flags.at(-1) ?? []))]);
}

/** By the number of arguments that stand there already. */
function argumentLists(commands: readonly DescribedCommand[]): [string, string][] {
  return commands.map(({ path, subcommands, arguments: wanted }) => {
    if (subcommands.length > 0) {
      return [path, `[ "$count" -eq 0 ] && kind=words && ${toList(subcommands.map(({ name }) => name))}`];
    }
    const [first, ...more] = wanted;
    const rest = more.length === 0 ? '' : `; [ "$count" -gt 0 ] && { ${toSetting(more[0] ?? { kind: 'anything' })}; }`;
    return [path, `${toSetting(first ?? { kind: 'anything' })}${rest}`];
  });
}

function toSetting(wanted: Wanted): string {
  return wanted.kind === 'words' ? `kind=words; ${toList(wanted.words)}` : `kind=${wanted.kind}`;
}

function toList(words: readonly string[]): string {
  return `list=${quote(words.join('\n'))}`;
}
