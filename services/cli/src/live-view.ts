import stringWidth from 'string-width';

/** Of a terminal, what is needed to draw on it. */
export interface Screen {
  write(text: string): unknown;
  columns?: number;
  rows?: number;
  on(event: 'resize', listener: () => void): unknown;
  off(event: 'resize', listener: () => void): unknown;
}

/** Lines of a terminal that are drawn over each other, and anew when it is resized. */
export interface LiveView {
  /** Cells that a line may have. */
  width(): number;
  draw(): void;
  /** Within some hundredths of a second, together with what else changes until then. */
  drawSoon(): void;
  /** Draws nothing any more; `text` comes in the place of what was drawn, which stays without it. Repeatable. */
  end(text?: string): void;
}

const drawSoonMs = 60;
const [hideCursor, showCursor] = ['\u001b[?25l', '\u001b[?25h'];

/**
 * `toLines` gives what is to be seen, each line of at most `width` cells; of more than `height` lines the first are shown. The
 * cursor is away meanwhile, and comes back however the process ends, but for SIGKILL.
 */
export function createLiveView(
  screen: Screen,
  toLines: (size: { width: number; height: number }) => readonly string[],
): LiveView {
  let drawn: readonly string[] = [];
  let timer: NodeJS.Timeout | undefined;
  let [isOpen, isOver] = [false, false];

  // The last cell stays free: some terminals break the line there.
  const width = () => Math.max(1, (screen.columns ?? 80) - 1);
  /** To the first line of what stands there, which a resize may have broken into more lines. */
  const erase = () => {
    const lines = drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(stringWidth(line) / (width() + 1))), 0);
    drawn = [];
    return lines === 0 ? '' : `\u001b[${lines}A\r\u001b[J`;
  };
  const bringBack = () => void screen.write(showCursor);
  const open = () => {
    if (isOpen) return '';
    isOpen = true;
    process.once('exit', bringBack);
    return hideCursor;
  };
  const draw = () => {
    clearTimeout(timer);
    timer = undefined;
    if (isOver) return;
    const before = open() + erase();
    const height = Math.max(2, (screen.rows ?? 24) - 1);
    drawn = toLines({ width: width(), height }).slice(0, height);
    screen.write(before + drawn.map((line) => `${line}\n`).join(''));
  };
  screen.on('resize', draw);

  return {
    width,
    draw,
    drawSoon() {
      if (!isOver) timer ??= setTimeout(draw, drawSoonMs);
    },
    end(text) {
      if (isOver) return;
      isOver = true;
      clearTimeout(timer);
      screen.off('resize', draw);
      process.off('exit', bringBack);
      if (text !== undefined) screen.write(erase() + text);
      if (isOpen) bringBack();
    },
  };
}
