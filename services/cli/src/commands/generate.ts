import { text as readAll } from 'node:stream/consumers';
import { ModelManagerError } from '@aimm/contracts';
import type { GenerationAnswer, ProgressEvent } from '@aimm/manager';
import type { Command } from 'commander';
import pc from 'picocolors';
import { formatCost, formatCount, formatDuration, print, printJson } from '../output.ts';
import { parseCount, parseList, parseNumber } from '../parse-options.ts';
import { withSession } from '../session.ts';

export interface AskOptions {
  system?: string;
  maxOutputTokens?: number;
  temperature?: number;
  timeout?: number;
  tag?: string[];
  json?: boolean;
}

export function addGenerateCommand(program: Command): void {
  addAskOptions(program.command('generate').description('Ask a model; the answer streams to the terminal'))
    .option('-m, --model <model>', 'provider/model-id, a bare id, an alias such as fast, or auto')
    .option('--fallbacks <models>', 'models to ask in turn when it fails, separated by commas', parseList)
    .option('--save', 'begin a conversation with this; its id is told at the end')
    .option('-c, --conversation <id>', 'go on with a saved conversation')
    .option(
      '--summarise',
      'sum up its oldest turns where it is longer than the model takes; otherwise they are left out',
    )
    .option('--allow-restart', 'let the answer begin again when a call breaks after text was shown')
    .addHelpText(
      'after',
      '\nExamples:\n  $ aimm generate "Why is the sky blue?"\n  $ git diff | aimm generate - --system "Review this change" -m openai/gpt-5-mini\n  $ aimm generate "A story about foxes" --save\n  $ aimm generate "Name a prime" --model fast\n',
    )
    .action(generate);
}

/** What every command that asks models takes. */
export function addAskOptions(command: Command): Command {
  return command
    .argument('[prompt]', 'the question; `-` or nothing: read from stdin')
    .option('-s, --system <text>', 'instructions for the model')
    .option('--max-output-tokens <count>', 'longest answer, in tokens', parseCount(1))
    .option('--temperature <number>', 'how freely it words its answer, 0 to 2', parseNumber(0, 2))
    .option('--timeout <seconds>', 'longest time for one call', parseCount(1))
    .option('--tag <tags>', 'tags for the statistics, separated by commas', parseList)
    .option('--json', 'print the whole result as JSON');
}

async function generate(
  prompt: string | undefined,
  options: AskOptions & {
    model?: string;
    fallbacks?: string[];
    allowRestart?: boolean;
    save?: boolean;
    conversation?: string;
    summarise?: boolean;
  },
): Promise<void> {
  const { model, fallbacks, allowRestart, save: saveConversation, conversation: conversationId } = options;
  const history = options.summarise === true ? ('summarise' as const) : undefined;
  const going = { saveConversation, conversationId, history };
  const ask = { ...(await toAsk(prompt, options)), ...going, model, fallbacks, allowRestart };
  const answer = await withSession(async ({ manager, caller }) => {
    const onProgress = options.json === true ? undefined : showProgress;
    const { result } = await manager.generate(caller, ask, { onProgress, signal: abortOnInterrupt() });
    return result;
  });
  if (options.json === true) return printJson(answer);
  print();
  process.stderr.write(`${pc.dim(formatFooter(answer))}\n`);
}

/** @throws ModelManagerError `invalid_request` without a prompt */
export async function toAsk(prompt: string | undefined, options: AskOptions) {
  const fromStdin = prompt === '-' || (prompt === undefined && !process.stdin.isTTY);
  const text = fromStdin ? await readAll(process.stdin) : (prompt ?? '');
  if (text.trim() === '') {
    throw new ModelManagerError('invalid_request', 'There is no prompt.', {
      hint: 'Give one as the argument, or on stdin.',
    });
  }
  const toMessage = (role: 'system' | 'user', content: string) => ({
    role,
    content: [{ type: 'text' as const, text: content }],
  });
  return {
    messages: [...(options.system === undefined ? [] : [toMessage('system', options.system)]), toMessage('user', text)],
    settings: { maxOutputTokens: options.maxOutputTokens, temperature: options.temperature },
    tags: options.tag,
    timeoutMs: options.timeout === undefined ? undefined : options.timeout * 1000,
  };
}

/** Ctrl-C cancels what was asked; a second one ends the command as usual. */
export function abortOnInterrupt(): AbortSignal {
  const controller = new AbortController();
  process.once('SIGINT', () => controller.abort());
  return controller.signal;
}

function showProgress(event: ProgressEvent): void {
  switch (event.type) {
    case 'text':
      process.stdout.write(event.text);
      break;
    case 'reset':
      process.stderr.write(pc.yellow(`\n[${event.reason.message} Asking again.]\n`));
      break;
    case 'waiting':
      process.stderr.write(pc.dim(`[${event.reason.message} Waiting.]\n`));
      break;
    case 'queued':
      if (event.ahead > 0) process.stderr.write(pc.dim(`[${describeQueue(event)}]\n`));
      break;
    case 'started':
    case 'reasoning':
    case 'model_finished':
    case 'batch':
      break;
  }
}

function describeQueue({ ahead, provider, estimatedWaitMs }: Extract<ProgressEvent, { type: 'queued' }>): string {
  const wait = estimatedWaitMs === undefined ? '' : `, about ${formatDuration(estimatedWaitMs)}`;
  return `${ahead} ahead in the queue of ${provider}${wait}`;
}

function formatFooter(answer: GenerationAnswer): string {
  const { usage, latency } = answer;
  const facts = [
    `${answer.provider}/${answer.model}`,
    `${formatCount(usage.inputTokens)} in, ${formatCount(usage.outputTokens)} out tokens`,
    `cost ${formatCost(answer.costNanoUsd)}`,
    formatDuration(latency.totalMs),
    ...(answer.conversationId === undefined ? [] : [answer.conversationId]),
    ...(answer.finishReason.unified === 'stop' ? [] : [`ended: ${answer.finishReason.unified}`]),
  ];
  return [facts.join(' · '), ...answer.warnings.map((warning) => `Warning: ${warning.message}`)].join('\n');
}
