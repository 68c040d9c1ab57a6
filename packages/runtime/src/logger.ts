import { hostname } from 'node:os';
import { type Logger, pino, stdTimeFunctions } from 'pino';

export type { Logger } from 'pino';

export interface LoggerOptions {
  /** The process: `front`, `worker`, `stack`, … */
  name: string;
  level: string;
  format: 'json' | 'pretty';
  /** Values that must never be printed, read anew at every line: keys may arrive while the process runs. */
  secrets?: () => readonly string[];
}

/** A logger that writes to stderr (stdout belongs to the protocol) and blots out every known secret. */
export async function createLogger(options: LoggerOptions): Promise<Logger> {
  const destination = options.format === 'pretty' ? await prettyStream() : pino.destination({ dest: 2, sync: true });
  return pino(
    {
      name: options.name,
      level: options.level,
      base: { pid: process.pid, host: hostname() },
      timestamp: stdTimeFunctions.isoTime,
      hooks: { streamWrite: (line) => redactSecrets(line, options.secrets?.() ?? []) },
    },
    destination,
  );
}

/** Loaded only where wanted: the pretty printer costs a start 40 ms. */
async function prettyStream() {
  const { default: pretty } = await import('pino-pretty');
  return pretty({ destination: 2, sync: true, colorize: process.stderr.isTTY, ignore: 'pid,host' });
}

/** Replaces each secret of eight characters or more; shorter ones would blot out ordinary words. */
export function redactSecrets(text: string, secrets: readonly string[]): string {
  return secrets.reduce((clean, secret) => (secret.length < 8 ? clean : clean.replaceAll(secret, '[secret]')), text);
}
