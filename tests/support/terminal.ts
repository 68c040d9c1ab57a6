import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** A command on a real pseudo-terminal, which `script` makes: Debian always has it (package bsdutils). */
export interface Terminal {
  /** All that came to the screen so far, escape sequences and all. */
  screen(): string;
  /** Resolves once the screen matches. @throws with the screen when the command ends before */
  shows(pattern: RegExp): Promise<void>;
  /** Types; `\u0003` is Ctrl-C, `\t` TAB. */
  type(text: string): void;
  /** As somebody who pulls at the window's edge; the command gets SIGWINCH. */
  resize(columns: number, rows: number): Promise<void>;
  readonly exited: Promise<number | null>;
  /** Ends it, however it stands. */
  end(): Promise<void>;
}

export function openTerminal(
  command: string,
  env: Record<string, string>,
  { columns = 80, rows = 24 }: { columns?: number; rows?: number } = {},
): Terminal {
  const { PATH = '', HOME = '' } = process.env;
  // Its device is told on the first line, for whoever resizes it.
  const line = `stty cols ${columns} rows ${rows}; tty; exec ${command}`;
  const child = spawn('script', ['--quiet', '--flush', '--return', '--command', line, '/dev/null'], {
    env: { PATH, HOME, TERM: 'xterm', SHELL: '/bin/bash', ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let screen = '';
  child.stdout.setEncoding('utf8').on('data', (piece: string) => (screen += piece));
  const exited = once(child, 'close').then(([code]) => code as number | null);
  const device = () => /\/dev\/pts\/\d+/.exec(screen)?.[0] ?? '';
  return {
    screen: () => screen.replace(/^.*\/dev\/pts\/\d+\r?\n/s, ''),
    exited,
    type: (text) => void child.stdin.write(text),
    async shows(pattern) {
      const seen = new Promise<'seen'>((resolve) => {
        const look = () => pattern.test(screen) && resolve('seen');
        child.stdout.on('data', look);
        look();
      });
      const first = await Promise.race([seen, exited]);
      if (first !== 'seen' && !pattern.test(screen)) throw new Error(`it ended with ${first} and showed:\n${screen}`);
    },
    async resize(toColumns, toRows) {
      const stty = spawn('stty', ['-F', device(), 'cols', String(toColumns), 'rows', String(toRows)]);
      await once(stty, 'exit');
    },
    async end() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
