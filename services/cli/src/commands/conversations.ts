import { writeFile } from 'node:fs/promises';
import { type Conversation, ModelManagerError } from '@aimm/contracts';
import { type Command, Option } from 'commander';
import { toJsonExport, toMarkdown } from '../export-conversation.ts';
import { formatTable, print, printJson, toOneLine } from '../output.ts';
import { parseCount } from '../parse-options.ts';
import { readWhole } from '../read-conversation.ts';
import { withSession } from '../session.ts';
import { toShown } from '../terminal-text.ts';

export function addConversationsCommand(program: Command): void {
  const conversations = program
    .command('conversations')
    .description('List, show, export and delete saved conversations');
  conversations
    .command('list')
    .description('List conversations, the last written to first')
    .option('-s, --search <words>', 'only those with a message that has all of these words; fox* begins one')
    .option('-n, --limit <count>', 'how many, up to 100', parseCount(1), 20)
    .option('--cursor <cursor>', 'go on behind the page before, which names it')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  $ aimm conversations list\n  $ aimm conversations list --search "plum cake" --json\n',
    )
    .action(listConversations);
  conversations
    .command('show')
    .description('Show the messages of a conversation')
    .argument('<id>', 'the id, as `aimm conversations list` shows it')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  $ aimm conversations show conv_0198c0de-0000-7000-8000-000000000003\n  $ aimm conversations show conv_0198c0de-0000-7000-8000-000000000003 --json\n',
    )
    .action(showConversation);
  conversations
    .command('export')
    .description('Write a whole conversation as Markdown or JSON')
    .argument('<id>', 'the id, as `aimm conversations list` shows it')
    .addOption(new Option('-f, --format <format>', 'how').choices(['markdown', 'json']).default('markdown'))
    .option('-o, --output <file>', 'where to; default: stdout')
    .option('--json', 'the same as --format json')
    .addHelpText(
      'after',
      '\nExamples:\n  $ aimm conversations export conv_0198c0de-0000-7000-8000-000000000003 > foxes.md\n  $ aimm conversations export conv_0198c0de-0000-7000-8000-000000000003 --format json --output foxes.json\n',
    )
    .action(exportConversation);
  conversations
    .command('delete')
    .description('Delete a conversation for good; what it cost stays in the statistics')
    .argument('<id>', 'the id, as `aimm conversations list` shows it')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  $ aimm conversations delete conv_0198c0de-0000-7000-8000-000000000003\n  $ aimm conversations delete conv_0198c0de-0000-7000-8000-000000000003 --json\n',
    )
    .action(deleteConversation);
}

interface ListOptions {
  search?: string;
  limit: number;
  cursor?: string;
  json?: boolean;
}

async function listConversations({ search, limit, cursor, json }: ListOptions): Promise<void> {
  const query = { search, limit: Math.min(limit, 100), cursor };
  const list = await withSession(({ manager, caller }) => manager.listConversations(caller, query));
  if (json === true) return printJson(list);
  if (list.conversations.length === 0) {
    return print(search === undefined ? 'No conversation is saved.' : 'No conversation has all of these words.');
  }
  print(formatTable(['Id', 'Title', 'Turns', 'Last'], list.conversations.map(toRow)));
  if (list.nextCursor !== undefined) print(`There are more: --cursor ${list.nextCursor}`);
}

function toRow({ id, title, version, updatedAt, snippet }: Conversation & { snippet?: string | undefined }): string[] {
  return [id, toOneLine(snippet ?? title, 60), String(version), toTime(updatedAt)];
}

async function showConversation(id: string, { json }: { json?: boolean }): Promise<void> {
  const whole = await withSession(({ manager, caller }) => readWhole(manager, caller, id));
  if (json === true) return printJson(toJsonExport(whole));
  print(toShown(toMarkdown(whole).trimEnd()));
}

async function exportConversation(
  id: string,
  { format, output, json }: { format: 'markdown' | 'json'; output?: string; json?: boolean },
): Promise<void> {
  const whole = await withSession(({ manager, caller }) => readWhole(manager, caller, id));
  const isJson = json === true || format === 'json';
  const text = isJson ? `${JSON.stringify(toJsonExport(whole), undefined, 2)}\n` : toMarkdown(whole);
  if (output === undefined) return void process.stdout.write(toShown(text));
  await writeFile(output, text, { mode: 0o600 }).catch((cause: NodeJS.ErrnoException) => {
    throw new ModelManagerError('invalid_request', `${output} cannot be written (${cause.code ?? cause.message}).`, {
      hint: 'Name a file in a folder that exists, or leave --output out.',
    });
  });
}

async function deleteConversation(id: string, { json }: { json?: boolean }): Promise<void> {
  const deleted = await withSession(({ manager, caller }) => manager.deleteConversation(caller, id));
  if (json === true) return printJson({ id, deleted: true });
  print(`Deleted ${id} (${toOneLine(deleted.title)}).`);
}

function toTime(epochMs: number): string {
  return new Date(epochMs).toISOString().slice(0, 16).replace('T', ' ');
}
