import { hostname } from 'node:os';
import { type Logger, pino, stdSerializers, stdTimeFunctions } from 'pino';
import { createFloodGate } from './flood-gate.ts';

export type { Logger } from 'pino';

export interface LoggerOptions {
  /** The process: `front`, `worker`, `stack`, … */
  name: string;
  level: string;
  format: 'json' | 'pretty';
  /** Values that must never be printed, read anew at every line: keys may arrive while the process runs. */
  secrets?: () => readonly string[];
  /** Whether lines may hold what vendors and libraries say of an error, which may cite prompts and answers; default true. */
  citesErrors?: boolean;
}

/** Below this, lines are for whoever looks for something, and all of them are wanted. */
const floodLevel = 30;
const fatalLevel = 60;
const leftOutMessage = 'Left out lines that repeat';

/**
 * A logger that writes to stderr (stdout belongs to the protocol) and blots out every known secret. Of one message it
 * writes a few lines in ten seconds and then says how many it left out: an outage makes thousands.
 */
export async function createLogger(options: LoggerOptions): Promise<Logger> {
  const destination = options.format === 'pretty' ? await prettyStream() : pino.destination({ dest: 2, sync: true });
  const gate = createFloodGate({
    onLeftOut: (message, leftOut, sinceMs) => {
      logger.warn({ leftOut, sinceMs, of: message }, leftOutMessage);
    },
  });
  const logger = pino(
    {
      name: options.name,
      level: options.level,
      base: { pid: process.pid, host: hostname() },
      timestamp: stdTimeFunctions.isoTime,
      serializers: { err: options.citesErrors === false ? toBareError : toLoggedError },
      ...(options.citesErrors === false && { formatters: { log: withoutVendorMessage } }),
      hooks: {
        streamWrite: (line) => redactSecrets(line, options.secrets?.() ?? []),
        logMethod(args, write, level) {
          const message = args.find((arg): arg is string => typeof arg === 'string') ?? '';
          const isLimited = level >= floodLevel && level < fatalLevel && message !== leftOutMessage;
          if (!isLimited || gate.passes(message)) write.apply(this, args);
        },
      },
    },
    destination,
  );
  return logger;
}

/** What Redis refused comes with the whole command, and so with what was asked or answered. */
function toLoggedError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { command: _command, ...rest } = stdSerializers.err(error);
  return rest;
}

/** Of whose making it is, where it was thrown, and what it says where that is our own wording. */
function toBareError(error: unknown): unknown {
  if (!(error instanceof Error)) return { type: typeof error };
  const isOurs = error.name === 'ModelManagerError' || error.name === 'ConfigError';
  return {
    type: error.name,
    ...('code' in error && typeof error.code === 'string' && { code: error.code }),
    ...(isOurs && { message: error.message }),
    at: (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line)),
    ...(error.cause !== undefined && { cause: toBareError(error.cause) }),
  };
}

function withoutVendorMessage({ vendorMessage: _vendorMessage, ...line }: Record<string, unknown>) {
  return line;
}

/** Loaded only where wanted: the pretty printer costs a start 40 ms. */
async function prettyStream() {
  const { default: pretty } = await import('pino-pretty');
  return pretty({ destination: 2, sync: true, colorize: process.stderr.isTTY, ignore: 'pid,host' });
}

/** An access token: no process knows all of them, but each can be told by its form. */
const accessToken = /aimm_[0-9a-f]{64}/g;

/**
 * Replaces access tokens, and each secret of eight characters or more, also in the form that JSON gives it; shorter ones
 * would blot out ordinary words.
 */
export function redactSecrets(text: string, secrets: readonly string[]): string {
  const clean = text.includes('aimm_') ? text.replaceAll(accessToken, '[secret]') : text;
  return secrets.reduce((rest, secret) => {
    if (secret.length < 8) return rest;
    const inJson = JSON.stringify(secret).slice(1, -1);
    return rest.replaceAll(secret, '[secret]').replaceAll(inJson, '[secret]');
  }, clean);
}
