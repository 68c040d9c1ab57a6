import { setTimeout as delay } from 'node:timers/promises';
import { loadEnvironment, type Logger, type RawEnvironment } from '@aimm/runtime';
import { readBuild } from './build.ts';
import {
  type ControlConnection,
  type LostReason,
  openControlConnection,
  StackStartError,
} from './control-connection.ts';
import { pickHandover } from './handover.ts';
import { type LaunchedStack, launchStack, type StackLaunch } from './launch-stack.ts';
import type { ClientMessage, StackInfo } from './protocol.ts';
import { requireOwnSockets, toStackPaths } from './stack-paths.ts';
import { findIneffective, toStackSettings } from './stack-settings.ts';
import { version } from './version.ts';

export interface JoinOptions {
  /** Absolute. One stack per data directory. */
  dataDir: string;
  /** The client's environment: the launched stack inherits it, a running one is handed its keys. */
  raw: RawEnvironment;
  logger: Logger;
  launch: StackLaunch;
  /** Variables that hold provider keys besides every `*_API_KEY`. */
  keyVariables?: readonly string[];
  /** How long a stack may take to be ready. Default 20 s. */
  timeoutMs?: number;
}

/** A client's hold on its stack, which stays while the connection is open. */
export interface StackConnection {
  /** As the stack last told it. */
  readonly info: StackInfo;
  /**
   * The stack, joined again (and started again) when it went away. After a crash that happens by itself, since
   * somebody may be waiting for an answer; after a stop only by this.
   * @throws Error as `joinStack`
   */
  ensure(): Promise<StackInfo>;
  /** Tells the stack where this client's HTTP front listens. */
  announce(httpUrl: string): void;
  /** Calls `listener` each time the stack goes away, and says whether it was told to; gives back how to stop listening. */
  onLost(listener: (reason: LostReason) => void): () => void;
  close(): Promise<void>;
}

/** A stack that lived this long was well. */
const steadyAfterMs = 10_000;

/**
 * Joins the stack of a data directory, and starts it in the background where none runs.
 * @throws Error when it is not ready in time: its message has the end of the stack's log and what to do; when it is on another
 * database than DATABASE_URL
 */
export async function joinStack(options: JoinOptions): Promise<StackConnection> {
  // As this process was started: what an update brings meanwhile it does not run.
  const build = readBuild();
  let quickLosses = 0;
  const listeners = new Set<(reason: LostReason) => void>();
  let closing = false;
  let connection: ControlConnection | undefined;
  let joining: Promise<StackInfo> | undefined;
  let announced: string | undefined;
  let info: StackInfo;
  const named = loadEnvironment(options.raw).env.DATABASE_URL;

  const join = async () => {
    const joined = await connectOrLaunch(options, () => closing);
    if (named !== undefined && named !== joined.info().databaseUrl) {
      await joined.close();
      throw new Error(
        `The stack that runs in ${options.dataDir} is on another database than DATABASE_URL names; \`aimm status\` shows it. End it with \`aimm down\`, or choose another AIMM_DATA_DIR.`,
      );
    }
    connection = joined;
    info = joined.info();
    const ineffective = findIneffective(options.raw, info.settings ?? toStackSettings(options.raw));
    if (ineffective.length > 0) {
      options.logger.warn({ ineffective }, 'The running stack has other settings, which hold: `aimm down` ends it');
    }
    if (info.version !== version || info.build !== build) {
      options.logger.warn(
        { stack: toName(info), client: toName({ version, build }) },
        'The running stack is of another version than this client: `aimm down` ends it, and the next client starts it anew',
      );
    }
    if (announced !== undefined) joined.send({ type: 'announce', httpUrl: announced });
    const joinedAt = Date.now();
    void joined.closed.then((reason) => {
      info = joined.info();
      if (connection === joined) connection = undefined;
      if (closing) return;
      for (const listener of listeners) listener(reason);
      quickLosses = Date.now() - joinedAt < steadyAfterMs ? quickLosses + 1 : 0;
      // One that crashes as soon as it is up is not started over and over.
      if (reason === 'lost' && quickLosses < 2) rejoin();
    });
    return info;
  };
  const ensure = async () => {
    if (connection !== undefined) return connection.info();
    joining ??= join().finally(() => (joining = undefined));
    return joining;
  };

  const rejoin = () => {
    options.logger.warn('The local stack ended unexpectedly: starting it again');
    ensure().catch((error: unknown) => options.logger.error({ err: error }, 'The local stack does not start'));
  };

  info = await ensure();
  return {
    get info() {
      return connection?.info() ?? info;
    },
    ensure,
    announce: (httpUrl) => {
      announced = httpUrl;
      connection?.send({ type: 'announce', httpUrl });
    },
    onLost: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    close: async () => {
      closing = true;
      // A join under way gives up by itself now; its caller hears why.
      await joining?.catch(() => undefined);
      await connection?.close();
    },
  };
}

function toName({ version: of, build }: Pick<StackInfo, 'version' | 'build'>): string {
  return build === undefined ? of : `${of} (${build})`;
}

async function connectOrLaunch(options: JoinOptions, isClosing: () => boolean): Promise<ControlConnection> {
  const { dataDir, raw, logger, launch, keyVariables, timeoutMs = 20_000 } = options;
  const paths = toStackPaths(dataDir);
  const hello: Extract<ClientMessage, { type: 'hello' }> = {
    type: 'hello',
    pid: process.pid,
    version,
    role: 'client',
    environment: pickHandover(raw, keyVariables),
  };
  const deadlineAt = Date.now() + timeoutMs;
  let launched: LaunchedStack | undefined;
  while (Date.now() < deadlineAt && !isClosing()) {
    // Before the keys go there.
    requireOwnSockets(paths);
    const joined = await openControlConnection(paths.controlSocket, hello, deadlineAt - Date.now());
    if (joined !== undefined && joined !== 'starting') return joined;
    const exit = launched?.exit();
    if (exit !== undefined && exit.code !== 0) break;
    if (launched === undefined || exit !== undefined) {
      logger.debug({ dataDir }, 'Starting the local stack');
      launched = launchStack(launch, paths, raw);
    }
    // Nothing tells when a socket appears in a folder on every platform; a look costs microseconds.
    await delay(25);
  }
  throw new StackStartError(describeFailure(paths.stackLog, timeoutMs, launched), launched?.exit()?.code ?? undefined);
}

function describeFailure(log: string, timeoutMs: number, launched: LaunchedStack | undefined): string {
  const exit = launched?.exit();
  const what = exit === undefined ? `was not ready within ${timeoutMs / 1000} s` : `ended with code ${exit.code}`;
  const tail = launched?.logTail() ?? '';
  return [
    `The local stack ${what}.`,
    ...(tail === '' ? [] : ['The end of its log:', tail]),
    `What to do: \`aimm doctor\` looks for the cause; the whole log is ${log}.`,
  ].join('\n');
}
