import type { ComparisonEntry, ComparisonResult } from '@aimm/contracts';
import type { ProgressEvent } from '@aimm/manager';
import { colours, stderrColours } from '../colours.ts';
import { print } from '../output.ts';
import { toShown } from '../terminal-text.ts';
import { formatSummary, nameOf, toFacts, toText } from './format-comparison.ts';

/** Shows a comparison while it runs and when it has ended. */
export interface ComparisonDisplay {
  /** Whether it shows text before a model has finished. */
  readonly streams: boolean;
  /** It is queued: `provider/model` of each, in the order asked. */
  begin(models: readonly string[]): void;
  readonly onProgress: (event: ProgressEvent) => void;
  end(comparison: ComparisonResult): void;
  /** Draws nothing any more. */
  stop(): void;
}

/** For pipes and files: each answer under its model, as it finishes; then the figures. */
export function createPlainDisplay(): ComparisonDisplay {
  const told = new Set<string>();
  const tell = (entry: Pick<ComparisonEntry, 'provider' | 'model' | 'result' | 'error'>) => {
    if (told.has(nameOf(entry))) return;
    told.add(nameOf(entry));
    const { result } = entry;
    const facts = result === undefined ? '' : `  ${colours.dim(toFacts(result))}`;
    const text = toShown(toText(entry).trimEnd());
    print(`${colours.bold(nameOf(entry))}${facts}\n${result === undefined ? colours.red(text) : text}\n`);
  };
  return {
    streams: false,
    begin: () => undefined,
    onProgress(event) {
      if (event.type !== 'model_finished') return;
      const how = event.error === undefined ? 'answered' : `failed: ${event.error.message}`;
      process.stderr.write(stderrColours.dim(`[${event.finished}/${event.total}] ${nameOf(event)} ${how}\n`));
      tell(event);
    },
    end(comparison) {
      // What ended unheard.
      comparison.entries.forEach(tell);
      print(formatSummary(comparison));
    },
    stop: () => undefined,
  };
}
