import { type GenerationSettings, type Message, ModelManagerError, ReasoningEffort } from '@aimm/contracts';
import { loadEnvironment } from '@aimm/runtime';
import { type Command, Option } from 'commander';
import { parseCount, parseList, parseNumber, parseToolChoice, parseWhole } from './parse-options.ts';
import { readImage, readSchema, readTools } from './read-file-option.ts';
import { readPrompt } from './read-prompt.ts';

export interface AskOptions extends Pick<
  GenerationSettings,
  | 'maxOutputTokens'
  | 'temperature'
  | 'topP'
  | 'topK'
  | 'stop'
  | 'seed'
  | 'presencePenalty'
  | 'frequencyPenalty'
  | 'reasoningEffort'
  | 'toolChoice'
  | 'serviceTier'
  | 'promptCache'
> {
  system?: string;
  format?: 'text' | 'json';
  schema?: string;
  image?: string[];
  tools?: string;
  user?: string;
  maxWait?: number;
  timeout?: number;
  tag?: string[];
  json?: boolean;
}

/** What every command that asks models takes. */
export function addAskOptions(command: Command): Command {
  return command
    .argument('[prompt...]', 'the question; piped input follows it, or takes the place of `-`')
    .option('-s, --system <text>', 'instructions for the model')
    .option('-i, --image <file-or-url>', 'an image for the question; may be repeated', collect)
    .option('--max-output-tokens <count>', 'longest answer, in tokens', parseCount(1))
    .option('--temperature <number>', 'how freely it words its answer, 0 to 2', parseNumber(0, 2))
    .option('--top-p <number>', 'choose among the likeliest words that make up this share, 0 to 1', parseNumber(0, 1))
    .option('--top-k <count>', 'choose among this many of the likeliest words', parseCount(1))
    .option('--stop <text>', 'text at which the answer ends; may be repeated', collect)
    .option('--seed <number>', 'for repeatable answers, where the model can', parseWhole)
    .option('--presence-penalty <number>', 'discourage words that have appeared, -2 to 2', parseNumber(-2, 2))
    .option('--frequency-penalty <number>', 'discourage words that have appeared often, -2 to 2', parseNumber(-2, 2))
    .addOption(new Option('--reasoning-effort <effort>', 'how much it thinks').choices(ReasoningEffort.options))
    .addOption(new Option('--format <format>', 'form of the answer').choices(['text', 'json']).conflicts('schema'))
    .option('--schema <file>', 'a JSON Schema that the answer must satisfy')
    .option('--tools <file>', 'functions that the model may ask for, as JSON; nothing is run')
    .option(
      '--tool-choice <choice>',
      'auto, none, required, or the name of the one that it is to ask for; with --tools',
      parseToolChoice,
    )
    .option('--service-tier <tier>', "the vendor's service tier")
    .addOption(
      new Option('--prompt-cache <how>', 'keep the prompt for cheaper repeats').choices(['off', 'auto', '5m', '1h']),
    )
    .option('--user <id>', 'end user id for the vendor')
    .option('--max-wait <seconds>', 'longest wait in the queue', parseCount(1))
    .option('--timeout <seconds>', 'longest time for one call', parseCount(1))
    .option('--tag <tags>', 'tags for the statistics, separated by commas', parseList)
    .option('--json', 'print the whole result as JSON');
}

/**
 * What is asked, as the manager takes it; reads stdin and files. `furtherTexts`: what counts towards its size besides.
 * @throws ModelManagerError `invalid_request` without a prompt, and where it is too long
 */
export async function toAsk(
  words: readonly string[],
  options: AskOptions,
  ...furtherTexts: readonly (string | undefined)[]
) {
  if (options.toolChoice !== undefined && options.tools === undefined)
    throw new ModelManagerError('invalid_request', '--tool-choice needs --tools, the functions to choose from.');
  const [schema, tools, images] = await Promise.all([
    options.schema === undefined ? undefined : readSchema(options.schema),
    options.tools === undefined ? undefined : readTools(options.tools),
    Promise.all((options.image ?? []).map(readImage)),
  ]);
  const text = await readPrompt(words);
  const question: Message = { role: 'user', content: [...images, { type: 'text', text }] };
  const system: Message[] =
    options.system === undefined ? [] : [{ role: 'system', content: [{ type: 'text', text: options.system }] }];
  const settings: GenerationSettings = {
    maxOutputTokens: options.maxOutputTokens,
    temperature: options.temperature,
    topP: options.topP,
    topK: options.topK,
    stop: options.stop,
    seed: options.seed,
    presencePenalty: options.presencePenalty,
    frequencyPenalty: options.frequencyPenalty,
    reasoningEffort: options.reasoningEffort,
    serviceTier: options.serviceTier,
    promptCache: options.promptCache,
    userId: options.user,
    tools,
    toolChoice: options.toolChoice,
    responseFormat: schema === undefined ? options.format && { type: options.format } : { type: 'json_schema', schema },
  };
  const messages = [...system, question];
  const { requireRequestSize } = await import('@aimm/batch/input');
  requireRequestSize({ messages, settings }, loadEnvironment().env.AIMM_MAX_PROMPT_BYTES, furtherTexts);
  return {
    messages,
    settings,
    tags: options.tag,
    maxWaitMs: toMs(options.maxWait),
    timeoutMs: toMs(options.timeout),
  };
}

function toMs(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : seconds * 1_000;
}

function collect(value: string, earlier: readonly string[] = []): string[] {
  return [...earlier, value];
}
