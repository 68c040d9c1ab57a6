import { type ErrorShape, ModelManagerError } from '@aimm/contracts';
import { StackStartError } from '@aimm/local-stack';
import { ConfigError } from '@aimm/runtime';
import { CommanderError } from 'commander';
import { toCliWords } from './cli-words.ts';
import { stderrColours } from './colours.ts';
import { Interrupted } from './interrupt.ts';
import { printJson } from './output.ts';
import { toShown } from './terminal-text.ts';

/** Ends a command with this code after it has said itself what is wrong. */
export class QuietFailure extends Error {
  override name = 'QuietFailure';
  readonly exitCode: number;

  constructor(exitCode = 1) {
    super('It has said what is wrong.');
    this.exitCode = exitCode;
  }
}

/** What `--json` prints of a failure. `code`: of ModelManagerError, or `usage` or `configuration`. */
interface FailureShape {
  code: string;
  message: string;
  retryable: boolean;
  retryAfterMs?: number;
  provider?: string;
  hint?: string;
  /** Of the configuration: each value that is not what it should be. */
  faults?: readonly unknown[];
}

/** Says why a command failed: on stderr in words, and where `--json` was given on stdout as `{"error": {…}}`. Gives its exit code. */
export function reportFailure(error: unknown, args: readonly string[]): number {
  // It has said what there is to say.
  if (error instanceof QuietFailure) return error.exitCode;
  if (error instanceof CommanderError && error.exitCode === 0) return 0;
  const exitCode = toExitCode(error);
  const isJson = args.includes('--json');
  // Commander has written its message already.
  if (!(error instanceof CommanderError) && !(isJson && process.stdout.isTTY)) {
    process.stderr.write(`${toWords(error)}\n`);
  }
  if (isJson) printJson({ error: { ...toFailureShape(error, args), exitCode } });
  return exitCode;
}

/** 0 is for help; 1 a failure; 2 faults of usage or configuration; 130 and 143 somebody ended it. */
function toExitCode(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof Interrupted) return error.exitCode;
  if (error instanceof ConfigError) return 2;
  // Of the stack that was started for this command: it says what is wrong in its log, whose end is in the message.
  if (error instanceof StackStartError && error.exitCode === 2) return 2;
  return error instanceof ModelManagerError && error.code === 'invalid_request' ? 2 : 1;
}

function toWords(error: unknown): string {
  if (error instanceof Interrupted || error instanceof ConfigError) return error.message;
  const label = stderrColours.red('Error');
  // What a vendor or a file said may be part of it.
  const shown = (text: string) => toShown(text, process.stderr);
  if (error instanceof ModelManagerError) {
    const { message, hint, code } = toOwnShape(error);
    return [`${label}: ${shown(message)} (${code})`, ...(hint === undefined ? [] : [shown(hint)])].join('\n');
  }
  return `${label}: ${shown(messageOf(error))}`;
}

function toFailureShape(error: unknown, args: readonly string[]): FailureShape {
  if (error instanceof ModelManagerError) return toOwnShape(error);
  const shape = (code: string, more = {}) => ({ code, message: messageOf(error), retryable: false, ...more });
  if (error instanceof CommanderError) {
    const message = error.message.replace(/^error: /, '');
    // A key that somebody typed there by mistake must not come back.
    return { ...shape('usage'), message: args[0] === 'keys' ? blotOut(message, args) : message };
  }
  if (error instanceof Interrupted) return shape('cancelled');
  if (error instanceof ConfigError) return shape('configuration', { faults: error.faults });
  return shape('internal');
}

/** In the words of the command line: the manager's own are those of tools. */
function toOwnShape(error: ModelManagerError): ErrorShape {
  const { message, hint, ...shape } = error.toShape();
  return { ...shape, message: toCliWords(message), ...(hint !== undefined && { hint: toCliWords(hint) }) };
}

/** Without what was typed, but for short words, which are no keys. */
export function blotOut(text: string, given: readonly string[]): string {
  return given.reduce((clean, word) => (word.length < 8 ? clean : clean.replaceAll(word, '…')), text);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
