import { BatchLane, JudgeMode } from '@aimm/contracts';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { parseCount, parseList, parseNumber } from '../parse-options.ts';
import { addModels, cancel, list, pause, remove, resume, retry, status, watch } from './batch/control.ts';
import { results } from './batch/results.ts';
import { run } from './batch/run.ts';

const plain = ['--plain', 'progress as lines, also on a terminal'] as const;
const json = ['--json', 'print the batch as JSON'] as const;

/** Many prompts through many models, in the background. */
export function addBatchCommand(program: Command): void {
  const batch = program
    .command('batch')
    .description('Ask many prompts of several models in the background, and compare the answers');

  batch
    .command('run')
    .description('Start a batch and follow it; it goes on without this command, and through restarts')
    .argument('<file>', 'items as JSON lines, CSV or JSON; `-`: from stdin')
    .requiredOption(
      '-m, --models <models>',
      'models, separated by commas; model@batch: through its vendor’s batch API',
      parseList,
    )
    .option(
      '--max-cost <usd>',
      'ask before it starts where it may cost more, and pause when it has',
      parseNumber(0, 1e6),
    )
    .option('-y, --yes', 'start it without being asked; it pauses at --max-cost all the same')
    .option('--name <name>', 'what to call it')
    .option('--template <text>', 'the prompt of every row, with {{name}} for its variables')
    .addOption(
      new Option('--format <format>', 'of the file; default: by its name').choices(['jsonl', 'csv', 'tsv', 'json']),
    )
    .option('--assert <assertion>', 'what each answer is held against, such as "contains: x"; may be repeated', gather)
    .option('--judge <model>', 'a model that judges the answers')
    .addOption(new Option('--judge-mode <mode>', 'how it judges; default: scores').choices(JudgeMode.options))
    .option('--criteria <text>', 'what the judge goes by')
    .addOption(
      new Option(
        '--lane <lane>',
        'who asks: queue, our workers, at once (default), or provider_batch, the vendor’s batch API, at half price within a day',
      ).choices(BatchLane.options),
    )
    .option('-s, --system <text>', 'instructions for the models')
    .option('--max-output-tokens <count>', 'longest answer, in tokens', parseCount(1))
    .option('--temperature <number>', 'how freely they word their answers, 0 to 2', parseNumber(0, 2))
    .option('--timeout <seconds>', 'longest time for one call', parseCount(1))
    .option('--tag <tags>', 'tags for the statistics, separated by commas', parseList)
    .option('-d, --detach', 'print its id and leave it to itself')
    .option(...plain)
    .option(...json)
    .addHelpText(
      'after',
      `
Examples:
  $ aimm batch run prompts.jsonl --models openai/gpt-5-mini,anthropic/claude-haiku-4-5 --max-cost 2
  $ aimm batch run rows.csv --template "Translate to {{lang}}: {{text}}" -m fast --assert "not_contains: sorry"
  $ aimm batch run prompts.jsonl -m openai/gpt-5-mini@batch,anthropic/claude-haiku-4-5
  $ cat prompts.jsonl | aimm batch run - -m fast,smart --judge openai/gpt-5 --judge-mode pairwise --detach
`,
    )
    .action(run);

  batch
    .command('status')
    .description('How a batch stands')
    .argument('<id>')
    .option(...json)
    .addHelpText(
      'after',
      toExamples(
        'status bat_0198c0de-0000-7000-8000-000000000003',
        'status bat_0198c0de-0000-7000-8000-000000000003 --json',
      ),
    )
    .action(status);
  batch
    .command('watch')
    .description('Follow a batch to its end')
    .argument('<id>')
    .option(...plain)
    .option(...json)
    .addHelpText(
      'after',
      toExamples(
        'watch bat_0198c0de-0000-7000-8000-000000000003',
        'watch bat_0198c0de-0000-7000-8000-000000000003 --json',
      ),
    )
    .action(watch);
  batch
    .command('list')
    .description('Batches, newest first')
    .option('-n, --limit <count>', 'how many', parseCount(1), 20)
    .option('--json', 'print them as JSON')
    .addHelpText('after', toExamples('list', 'list --limit 5 --json'))
    .action(list);
  batch
    .command('pause')
    .description('Ask nothing more until it is resumed; calls that run end')
    .argument('<id>')
    .option(...json)
    .addHelpText(
      'after',
      toExamples(
        'pause bat_0198c0de-0000-7000-8000-000000000003',
        'pause bat_0198c0de-0000-7000-8000-000000000003 --json',
      ),
    )
    .action(pause);
  batch
    .command('resume')
    .description('Go on with a batch that is paused')
    .argument('<id>')
    .option('--max-cost <usd>', 'what it may cost from now on', parseNumber(0, 1e6))
    .option(...json)
    .addHelpText(
      'after',
      toExamples(
        'resume bat_0198c0de-0000-7000-8000-000000000003',
        'resume bat_0198c0de-0000-7000-8000-000000000003 --max-cost 5',
      ),
    )
    .action(resume);
  batch
    .command('cancel')
    .description('End a batch: what waits is dropped, what runs aborted')
    .argument('<id>')
    .option(...json)
    .addHelpText(
      'after',
      toExamples(
        'cancel bat_0198c0de-0000-7000-8000-000000000003',
        'cancel bat_0198c0de-0000-7000-8000-000000000003 --json',
      ),
    )
    .action(cancel);
  batch
    .command('delete')
    .description('Delete a batch that has ended, prompts and answers and all; what it cost stays in `aimm usage`')
    .argument('<id>')
    .option('-y, --yes', 'without being asked')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      toExamples(
        'delete bat_0198c0de-0000-7000-8000-000000000003',
        'delete bat_0198c0de-0000-7000-8000-000000000003 --yes --json',
      ),
    )
    .action(remove);
  batch
    .command('retry')
    .description('Ask what failed again')
    .argument('<id>')
    .option(...json)
    .addHelpText(
      'after',
      toExamples(
        'retry bat_0198c0de-0000-7000-8000-000000000003',
        'retry bat_0198c0de-0000-7000-8000-000000000003 --json',
      ),
    )
    .action(retry);
  batch
    .command('add-model')
    .description('Ask every item of further models, and of those only')
    .argument('<id>')
    .argument('<models>', 'models, separated by commas; model@batch: through its vendor’s batch API', parseList)
    .option('-y, --yes', 'whatever it is expected to cost')
    .option(...json)
    .addHelpText(
      'after',
      toExamples(
        'add-model bat_0198c0de-0000-7000-8000-000000000003 mistral/mistral-small-latest',
        'add-model bat_0198c0de-0000-7000-8000-000000000003 openai/gpt-5-mini@batch --yes',
      ),
    )
    .action(addModels);
  batch
    .command('results')
    .description('What a batch came to so far')
    .argument('<id>')
    .addOption(
      new Option('-f, --format <format>', 'how').choices(['table', 'jsonl', 'csv', 'md', 'html']).default('table'),
    )
    .option('-o, --out <file>', 'write it to this file')
    .option('--json', 'the same as --format jsonl')
    .addHelpText(
      'after',
      toExamples(
        'results bat_0198c0de-0000-7000-8000-000000000003',
        'results bat_0198c0de-0000-7000-8000-000000000003 --format html --out report.html',
      ),
    )
    .action(results);
}

function gather(value: string, before: string[] = []): string[] {
  if (value.trim() === '') throw new InvalidArgumentError('expected an assertion such as "contains: x"');
  return [...before, value];
}

function toExamples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ aimm batch ${line}`).join('\n')}\n`;
}
