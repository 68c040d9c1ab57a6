import { version } from '@aimm/local-stack';
import { Command } from 'commander';
import { addBatchCommand } from './commands/batch.ts';
import { addCompareCommand } from './commands/compare.ts';
import { addCompletionCommand } from './commands/completion.ts';
import { addConversationsCommand } from './commands/conversations.ts';
import { addDemoCommand } from './commands/demo.ts';
import { addDoctorCommand } from './commands/doctor.ts';
import { addDownCommand } from './commands/down.ts';
import { addExportCommand } from './commands/export.ts';
import { addGenerateCommand } from './commands/generate.ts';
import { addImportCommand } from './commands/import.ts';
import { addKeysCommand } from './commands/keys.ts';
import { addMigrateCommand } from './commands/migrate.ts';
import { addModelsCommand } from './commands/models.ts';
import { addPreferencesCommand } from './commands/preferences.ts';
import { addServiceCommands } from './commands/services.ts';
import { addStackCommand } from './commands/stack.ts';
import { addStatusCommand } from './commands/status.ts';
import { addTokensCommand } from './commands/tokens.ts';
import { addUpCommand } from './commands/up.ts';
import { addUsageCommand } from './commands/usage.ts';

/** The whole command line; each command stands in its own file. */
export function createProgram(): Command {
  const program = new Command('aimm')
    .description(
      'AI Model Manager: one place to ask every model. Without a command and without a terminal: `aimm mcp`.',
    )
    .version(version, '-v, --version')
    .exitOverride()
    .showHelpAfterError('(`aimm help <command>` explains a command)')
    .usage('[options] [command]')
    .helpCommand('help [command]', 'explain a command')
    .argument('[words...]')
    .action((words: string[]) => {
      if (words.length > 0) program.error(`error: there is no command ${words[0]}`);
      // Without a command on a terminal.
      program.outputHelp();
    });
  addServiceCommands(program);
  addUpCommand(program);
  addDownCommand(program);
  addStatusCommand(program);
  addGenerateCommand(program);
  addCompareCommand(program);
  addBatchCommand(program);
  addModelsCommand(program);
  addConversationsCommand(program);
  addUsageCommand(program);
  addPreferencesCommand(program);
  addKeysCommand(program);
  addTokensCommand(program);
  addExportCommand(program);
  addImportCommand(program);
  addDoctorCommand(program);
  addMigrateCommand(program);
  addDemoCommand(program);
  addCompletionCommand(program);
  addStackCommand(program);
  return program;
}
