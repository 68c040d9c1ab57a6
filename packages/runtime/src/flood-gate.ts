/** What is left out of a log so that one fault does not fill the disk. */
export interface FloodGate {
  /** Whether this line is written. One that is not is counted, and told with the others when the window ends. */
  passes(message: string): boolean;
}

export interface FloodGateOptions {
  /** Says at the end of a window how many lines of one message were left out. */
  onLeftOut: (message: string, count: number, sinceMs: number) => void;
  /** Lines of one message before it counts as a flood. */
  linesPerWindow?: number;
  windowMs?: number;
}

interface Seen {
  lines: number;
  leftOut: number;
}

/** Messages are static (what varies is metadata), so there are few; past this something else is wrong. */
const maxMessages = 1_000;
/** A flood that goes on is told of once in a window, and windows grow to this many times the first. */
const longestWindow = 6;

/** Lets the first lines of each message through, and of a flood one line in each window, which grows while it lasts. */
export function createFloodGate({ onLeftOut, linesPerWindow = 10, windowMs = 10_000 }: FloodGateOptions): FloodGate {
  const seen = new Map<string, Seen>();

  const watch = (message: string, lines: number, windows: number) => {
    const own: Seen = { lines, leftOut: 0 };
    seen.set(message, own);
    const ms = windowMs * windows;
    setTimeout(() => {
      seen.delete(message);
      if (own.leftOut === 0) return;
      watch(message, linesPerWindow, Math.min(longestWindow, windows * 2));
      onLeftOut(message, own.leftOut, ms);
    }, ms).unref();
    return own;
  };

  return {
    passes(message) {
      const own = seen.get(message) ?? (seen.size < maxMessages ? watch(message, 0, 1) : undefined);
      if (own === undefined) return false;
      own.lines += 1;
      if (own.lines <= linesPerWindow) return true;
      own.leftOut += 1;
      return false;
    },
  };
}
