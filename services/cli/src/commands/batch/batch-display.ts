import { renderBatchProgress, toProgressLine } from '@aimm/batch/progress';
import type { BatchProviderPace, BatchView } from '@aimm/contracts';
import { stderrColours } from '../../colours.ts';
import { isFullTerminal, takesColour } from '../../env.ts';
import { createLiveView, type Screen } from '../../live-view.ts';

/** Shows how far a batch is while it runs. */
export interface BatchDisplay {
  /** Whether it stays while the batch rests: somebody looks at it. */
  readonly isLive: boolean;
  show(view: BatchView, paces: readonly BatchProviderPace[]): void;
  /** A line below the rest until it is told another or, by nothing, none. */
  note(text?: string): void;
  end(): void;
}

/** Live on a terminal, else lines; both on stderr, so that stdout holds the result alone. */
export function createBatchDisplay({ plain }: { plain: boolean }): BatchDisplay {
  if (plain || !isFullTerminal(process.stderr)) return createLines();
  return createLive(process.stderr, { colours: takesColour(process.stderr), erases: process.stdout.isTTY === true });
}

/** A line so often: where nobody looks, fewer. */
const tellEveryMs = () => (process.stderr.isTTY ? 1_000 : 5_000);

function createLines(): BatchDisplay {
  let last = '';
  let toldAt = -Infinity;
  const tell = (line: string) => {
    if (line === last) return;
    process.stderr.write(`${stderrColours.dim(line)}\n`);
    [last, toldAt] = [line, performance.now()];
  };
  return {
    isLive: false,
    show(view) {
      if (view.status !== 'running' || performance.now() >= toldAt + tellEveryMs()) tell(toProgressLine(view));
    },
    note(text) {
      if (text !== undefined) tell(text);
    },
    end: () => undefined,
  };
}

/** Also while nothing comes, the time that it takes goes on. */
const drawEveryMs = 1_000;

function createLive(screen: Screen, { colours, erases }: { colours: boolean; erases: boolean }): BatchDisplay {
  let shown: { view: BatchView; paces: readonly BatchProviderPace[] } | undefined;
  let noted: string | undefined;
  const live = createLiveView(screen, ({ width, height }) => {
    if (shown === undefined) return [];
    const { view, paces } = shown;
    const lines = renderBatchProgress(view, { width, colours, now: Date.now(), paces });
    const below = noted === undefined ? [] : ['', stderrColours.yellow(noted.slice(0, width))];
    return [...lines.slice(0, Math.max(1, height - below.length)), ...below];
  });
  const ticking = setInterval(() => live.draw(), drawEveryMs).unref();
  return {
    isLive: true,
    show(view, paces) {
      shown = { view, paces };
      live.drawSoon();
    },
    note(text) {
      noted = text;
      live.drawSoon();
    },
    end() {
      clearInterval(ticking);
      if (!erases) live.draw();
      // The summary that comes on stdout says all of it once more.
      live.end(erases ? '' : undefined);
    },
  };
}
