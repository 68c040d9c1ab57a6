import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { binPath } from './mcp-client.ts';

export interface AimmOutcome {
  /** Null where a signal ended it. */
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

interface AimmOptions {
  /** What is piped in. */
  stdin?: string | Buffer | undefined;
  /** A module that its Node loads before the command. */
  preload?: string | undefined;
}

/** Starts the command `aimm` through pipes, with this environment and nothing of the test's own but PATH and HOME. */
export function startAimm(
  environment: Record<string, string>,
  args: readonly string[],
  { stdin = '', preload }: AimmOptions = {},
): { child: ChildProcessWithoutNullStreams; ended: Promise<AimmOutcome> } {
  const { PATH = '', HOME = '' } = process.env;
  const flags = preload === undefined ? [] : ['--import', preload];
  const child = spawn(process.execPath, [...flags, binPath, ...args], { env: { PATH, HOME, ...environment } });
  // It may end without having read everything.
  child.stdin.on('error', () => undefined).end(stdin);
  const outputs = [text(child.stdout), text(child.stderr), once(child, 'close')] as const;
  const ended = Promise.all(outputs).then(([stdout, stderr]) => {
    return { code: child.exitCode, signal: child.signalCode, stdout, stderr };
  });
  return { child, ended };
}

/** Runs it to its end. */
export function runAimm(
  environment: Record<string, string>,
  args: readonly string[],
  options?: AimmOptions,
): Promise<AimmOutcome> {
  return startAimm(environment, args, options).ended;
}
