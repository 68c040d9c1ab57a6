import type { GenerationAnswer, ProgressEvent } from '@aimm/manager';
import { formatCost, formatCount, formatDuration } from '@aimm/runtime/format';
import { toCliWords } from './cli-words.ts';
import { stderrColours } from './colours.ts';
import { toShown, toTerminalText } from './terminal-text.ts';

export interface AnswerStreams {
  stdout: { write(text: string): unknown; isTTY?: boolean };
  stderr: { write(text: string): unknown; isTTY?: boolean };
}

/** Shows one answer as it comes: its text on stdout, everything else on stderr. */
export interface AnswerDisplay {
  readonly onProgress: (event: ProgressEvent) => void;
  /** What was not streamed of the text, then the figures. */
  end(answer: GenerationAnswer): void;
  /** It failed: what was begun is finished, so that an error stands on its own line. */
  breakOff(): void;
}

export function createAnswerDisplay({ stdout, stderr }: AnswerStreams = process): AnswerDisplay {
  let shown = '';
  let lastNote = '';
  let noteStands = false;

  const write = (text: string) => {
    clearNote();
    shown += text;
    stdout.write(stdout.isTTY === true ? toTerminalText(text) : text);
  };
  const endLine = () => {
    if (shown !== '' && !shown.endsWith('\n')) stdout.write('\n');
  };
  /** On a terminal one line that the next replaces; elsewhere each new one once. */
  const note = (text: string) => {
    if (text === lastNote) return;
    clearNote();
    lastNote = text;
    if (stderr.isTTY !== true) return void stderr.write(`[${text}]\n`);
    stderr.write(stderrColours.dim(`[${text}]`));
    noteStands = true;
  };
  const clearNote = () => {
    if (noteStands) stderr.write('\r\u001b[K');
    noteStands = false;
  };

  return {
    onProgress(event) {
      switch (event.type) {
        case 'text':
          write(event.text);
          break;
        case 'reset':
          clearNote();
          endLine();
          shown = '';
          stderr.write(stderrColours.yellow(`[${event.reason.message} Asking again.]\n`));
          break;
        case 'waiting':
          note(`${event.reason.message} Waiting ${formatDuration(Math.max(0, event.untilMs - Date.now()))}.`);
          break;
        case 'queued':
          if (event.ahead > 0) note(describeQueue(event));
          break;
        case 'started':
          clearNote();
          lastNote = '';
          break;
        case 'reasoning':
          if (shown === '' && stderr.isTTY === true) note('Thinking');
          break;
        case 'model_finished':
        case 'judging':
        case 'batch':
          break;
      }
    },
    end(answer) {
      clearNote();
      // From the cache, or from the same question of somebody else: then nothing, or not all, was streamed.
      if (!answer.text.startsWith(shown)) {
        endLine();
        shown = '';
      }
      write(answer.text.slice(shown.length));
      endLine();
      for (const { name, arguments: given } of answer.toolCalls ?? []) {
        const line = `${name}(${JSON.stringify(given)})`;
        stdout.write(`${stdout.isTTY === true ? toTerminalText(line) : line}\n`);
      }
      const footer = formatFooter(answer);
      stderr.write(`${stderrColours.dim(toShown(footer, stderr))}\n`);
    },
    breakOff() {
      clearNote();
      endLine();
    },
  };
}

function describeQueue({ ahead, provider, estimatedWaitMs }: Extract<ProgressEvent, { type: 'queued' }>): string {
  const wait = estimatedWaitMs === undefined ? '' : `, about ${formatDuration(estimatedWaitMs)}`;
  return `${ahead} ahead in the queue of ${provider}${wait}`;
}

function formatFooter(answer: GenerationAnswer): string {
  const { usage, latency, fallbackFrom } = answer;
  const facts = [
    `${answer.provider}/${answer.model}${fallbackFrom === undefined ? '' : ` (in place of ${fallbackFrom})`}`,
    `${formatCount(usage.inputTokens)} in, ${formatCount(usage.outputTokens)} out tokens`,
    `cost ${formatCost(answer.costNanoUsd)}`,
    formatDuration(latency.totalMs),
    ...(answer.cached ? ['cached'] : []),
    ...(answer.conversationId === undefined ? [] : [answer.conversationId]),
    ...(answer.finishReason.unified === 'stop' ? [] : [`ended: ${answer.finishReason.unified}`]),
  ];
  return [facts.join(' · '), ...answer.warnings.map((warning) => `Warning: ${toCliWords(warning.message)}`)].join('\n');
}
