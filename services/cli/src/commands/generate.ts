import { type Command, Option } from 'commander';
import { addAskOptions, type AskOptions, toAsk } from '../ask-options.ts';
import { withInterrupt } from '../interrupt.ts';
import { printJson } from '../output.ts';
import { parseListOrNone } from '../parse-options.ts';
import { withSession } from '../session.ts';
import { createAnswerDisplay } from '../show-answer.ts';

interface GenerateOptions extends AskOptions {
  model?: string;
  route?: string;
  fallbacks?: string[];
  cache?: boolean;
  allowRestart?: boolean;
  save?: boolean;
  conversation?: string;
  summarise?: boolean;
}

export function addGenerateCommand(program: Command): void {
  addAskOptions(program.command('generate').description('Ask a model; the answer streams to the terminal'))
    .option('-m, --model <model>', 'provider/model-id, a bare id, an alias such as fast, or auto')
    .option('--route <route>', 'how auto chooses: cheapest, fastest, balanced, or a rule of config/routing.json')
    .option(
      '--fallbacks <models>',
      'models to ask in turn when it fails, separated by commas; "" for none',
      parseListOrNone,
    )
    .option('--cache', 'reuse the stored answer to the same request, or store this one')
    .option('--no-cache', 'ask anew, whatever config/routing.json says of stored answers')
    .option('--save', 'start a saved conversation; its id is printed at the end')
    .option('-c, --conversation <id>', 'continue a saved conversation')
    .addOption(
      new Option(
        '--summarise',
        'summarise the oldest turns of a conversation that is too long for the model; otherwise they are left out',
      ),
    )
    .option('--allow-restart', 'start the answer again when a call breaks after text was shown')
    .addHelpText(
      'after',
      `
Examples:
  $ aimm generate "Why is the sky blue?"
  $ git diff | aimm generate "Review this change" -m openai/gpt-5-mini
  $ aimm generate --system "Answer in French" - < question.txt
  $ aimm generate "A story about foxes" --save
  $ aimm generate "And how does it end?" -c conv_0198c0de-0000-7000-8000-000000000003
  $ aimm generate "What is on this picture?" --image photo.jpg --model anthropic/claude-haiku-4-5
  $ aimm generate "Three rivers of Europe" --schema rivers.schema.json --json
  $ aimm generate "Name a prime" --model fast --fallbacks mistral/mistral-small-latest --max-wait 30
`,
    )
    .action(generate);
}

async function generate(words: string[], options: GenerateOptions): Promise<void> {
  const {
    model,
    route,
    fallbacks,
    cache,
    allowRestart,
    save: saveConversation,
    conversation: conversationId,
  } = options;
  const history = options.summarise === true ? ('summarise' as const) : undefined;
  const going = { saveConversation, conversationId, history };
  const isJson = options.json === true;
  const ask = {
    ...(await toAsk(words, options)),
    ...going,
    model,
    route,
    fallbacks,
    cache,
    // Who is shown no text as it comes loses none when the answer begins again.
    allowRestart: allowRestart ?? (isJson ? true : undefined),
  };
  const display = isJson ? undefined : createAnswerDisplay();
  try {
    const answer = await withSession(({ manager, caller }) =>
      withInterrupt(async (signal) => {
        const accepted = await manager.generate(caller, ask, { signal, onProgress: display?.onProgress });
        return accepted.result;
      }),
    );
    if (display === undefined) printJson(answer);
    else display.end(answer);
  } catch (error) {
    display?.breakOff();
    throw error;
  }
}
