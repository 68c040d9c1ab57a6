/** One line on stderr that is written over, for a person at a terminal; elsewhere nothing. */
export interface Progress {
  show(text: string): void;
  /** Takes the line away. */
  end(): void;
}

const everyMs = 100;
const cleared = '\r\u001B[K';

export function createProgress(to: NodeJS.WriteStream = process.stderr): Progress {
  let [shownAt, isShown] = [-Infinity, false];
  return {
    show(text) {
      if (!to.isTTY || performance.now() - shownAt < everyMs) return;
      to.write(`${cleared}${text}`);
      [shownAt, isShown] = [performance.now(), true];
    },
    end() {
      if (isShown) to.write(cleared);
      isShown = false;
    },
  };
}
