import type { DescribedCommand, Wanted } from './describe-commands.ts';
import { quote, type ScriptPlaces, toCases } from './shell-words.ts';

/** A script for zsh: sourced, or as the file `_aimm` in a folder of `fpath`. */
export function toZshScript(commands: readonly DescribedCommand[], { names, node, bin }: ScriptPlaces): string {
  const subcommands = commands.flatMap(({ path, subcommands: subs }) => subs.map(({ name }) => `${path} ${name}`));
  return `#compdef ${names.join(' ')}
# Completion of ${names.join(' and ')} for zsh, as \`aimm completion zsh\` printed it.
_aimm_add() {
  local -a found
  found=(\${(f)"$([[ -x ${quote(node)} ]] && ${quote(node)} ${quote(bin)} __complete "$1" "$PREFIX" 2>/dev/null </dev/null)"})
  (( \${#found} )) && compadd -- "\${found[@]}"
}

_aimm() {
  local cur=\${words[CURRENT]} prev=\${words[CURRENT-1]} at='' word
  local -i count=0
  local -a described
  for word in "\${(@)words[2,CURRENT-1]}"; do
    [[ $word == -* ]] && continue
    case "$at $word" in
      (${subcommands.map(quote).join('|')}) at="\${at:+$at }$word" ;;
      (*) (( count += 1 )) ;;
    esac
  done
  if [[ $cur == --*=* ]]; then
    prev=\${cur%%=*}
    compset -P '*='
  elif [[ $cur == -* ]]; then
    case "$at" in
${toCases(
  commands.map(({ path, options }) => [path, options] as const),
  (options) => describe(options.map(({ flags, about }) => [flags.at(-1) ?? '', about])),
  '      ',
)}
    esac
    return
  fi
  case "$at $prev" in
${toCases(
  commands.flatMap(({ path, options }) =>
    options.flatMap(({ flags, value }) =>
      value === undefined ? [] : flags.map((flag) => [`${path} ${flag}`, value] as const),
    ),
  ),
  (wanted) => `${offer(wanted)}; return`,
  '    ',
)}
  esac
  case "$at" in
${toCases(
  commands.map((command) => [command.path, command] as const),
  ({ subcommands: subs, arguments: wanted }) => {
    if (subs.length > 0) return `(( count )) || { ${describe(subs.map(({ name, about }) => [name, about]))} }`;
    const [first, second = first] = wanted;
    if (first === undefined || second === undefined) return ':';
    return `if (( count )); then ${offer(second)}; else ${offer(first)}; fi`;
  },
  '    ',
)}
  esac
}

if [[ "\${funcstack[1]}" == _aimm ]]; then _aimm "$@"; else compdef _aimm ${names.join(' ')}; fi
`;
}

function offer(wanted: Wanted): string {
  switch (wanted.kind) {
    case 'anything':
      return ':';
    case 'files':
      return '_files';
    case 'words':
      return `compadd -- ${wanted.words.map(quote).join(' ')}`;
    case 'models':
    case 'providers':
    case 'conversations':
    case 'jobs':
      return `_aimm_add ${wanted.kind}`;
  }
}

function describe(entries: readonly (readonly [string, string])[]): string {
  const items = entries.map(([name, about]) => quote(`${name.replaceAll(':', String.raw`\:`)}:${about}`));
  return `described=(${items.join(' ')}); _describe -t values value described;`;
}
