import { fileURLToPath } from 'node:url';
import { plantedKeys } from '../../support/vendors.ts';

const checkout = fileURLToPath(new URL('../../../', import.meta.url));

/** Frames of a stack trace, and addresses of files that only its machine knows. */
const trace =
  /^\s*at .+[:(]\d+:\d+\)?$|\bat (?:async )?[\w.<>[\] ]+ \([^)]*:\d+:\d+\)|file:\/\/\/(?!etc\/passwd)|node:internal|node_modules/m;

/** What a process writes to stderr when something was caught nowhere, or piles up. */
const uncaught =
  /unhandled|uncaught|MaxListenersExceeded|heap out of memory|\(node:\d+\) (?!ExperimentalWarning)\w*Warning/i;

/** A process under fuzz, as far as it has to be watched. */
export interface Watched {
  name: string;
  pid: number;
  /** All that it wrote to stderr so far. */
  log(): string;
}

export interface Watch {
  /** Environment with keys that must come out nowhere. */
  readonly environment: Readonly<Record<string, string>>;
  readonly token: string;
  /** @throws where an answer shows a secret, a stack trace or a path of the checkout */
  requireClean(answer: string): void;
  /** @throws where a process has ended, or wrote of an error that nobody caught, or a secret */
  requireSound(...processes: readonly Watched[]): void;
}

/** Keys that must come out nowhere; the played vendors take no others. */
const secrets: Readonly<Record<string, string>> = {
  ...plantedKeys,
  AIMM_AUTH_TOKEN: 'planted-bearer-token-8Hq-w2Lx0',
  AIMM_MASTER_KEY: 'planted-master-key-for-the-vault-71c',
};
/** An extract that was cut off gives a key away too. */
const endChars = 10;

/** Plants secrets, and looks for them and for other things that nobody should see. */
export function createWatch(): Watch {
  const seen = new Map<number, number>();
  const findSecret = (text: string) =>
    Object.entries(secrets).find(([, value]) => text.includes(value.slice(-endChars)))?.[0];
  return {
    environment: secrets,
    token: secrets['AIMM_AUTH_TOKEN'] ?? '',
    requireClean(answer) {
      const secret = findSecret(answer);
      if (secret !== undefined) throw new Error(`an answer shows ${secret}`);
      if (answer.includes(checkout))
        throw new Error(`an answer shows where the checkout is: ${around(answer, checkout)}`);
      const [frame] = trace.exec(answer) ?? [];
      if (frame !== undefined) throw new Error(`an answer shows a stack trace: ${around(answer, frame)}`);
    },
    requireSound(...processes) {
      for (const own of processes) {
        const { name, pid } = own;
        if (!isAlive(pid)) throw new Error(`${name} has ended; its last words:\n${own.log().slice(-3_000)}`);
        const from = seen.get(pid) ?? 0;
        const news = own.log().slice(from);
        seen.set(pid, from + news.length);
        const secret = findSecret(news);
        if (secret !== undefined) throw new Error(`${name} wrote ${secret} to stderr`);
        const [word] = uncaught.exec(news) ?? [];
        if (word !== undefined) throw new Error(`${name} wrote of something uncaught: ${around(news, word)}`);
      }
    },
  };
}

export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function around(text: string, part: string): string {
  const at = text.indexOf(part);
  return `…${text.slice(Math.max(0, at - 300), at + 500)}…`;
}
