import { Argument, type Command } from 'commander';
import { toBashScript } from '../complete/bash-script.ts';
import { type DescribedCommand, describeCommands } from '../complete/describe-commands.ts';
import { toFishScript } from '../complete/fish-script.ts';
import type { ScriptPlaces } from '../complete/shell-words.ts';
import { toZshScript } from '../complete/zsh-script.ts';
import { printJson } from '../output.ts';
import { binPath } from '../stack/bin-path.ts';

const shells = { bash: toBashScript, zsh: toZshScript, fish: toFishScript } satisfies Record<
  string,
  (commands: readonly DescribedCommand[], places: ScriptPlaces) => string
>;

export function addCompletionCommand(program: Command): void {
  program
    .command('completion')
    .description('Print a script that completes commands, options, models, providers and ids at TAB')
    .addArgument(new Argument('<shell>', 'for which shell').choices(Object.keys(shells)))
    .option('--json', 'print JSON with the script in it')
    .addHelpText(
      'after',
      `
Examples:
  $ source <(aimm completion bash)
  $ aimm completion bash >> ~/.bashrc
  $ aimm completion zsh > ~/.zfunc/_aimm
  $ aimm completion fish > ~/.config/fish/completions/aimm.fish

It completes the words aimm and ai-model-manager. In a checkout that is not on PATH make one of them an alias:
  alias aimm=${binPath}
`,
    )
    .action((shell: keyof typeof shells, { json }: { json?: boolean }) => {
      const places = { names: ['aimm', 'ai-model-manager'], node: process.execPath, bin: binPath };
      const script = shells[shell](describeCommands(program), places);
      if (json === true) printJson({ shell, script });
      else process.stdout.write(script);
    });
}
