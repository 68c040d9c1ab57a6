import { ModelManagerError } from '@aimm/contracts';
import { ConfigError } from '@aimm/runtime';
import { CommanderError } from 'commander';
import pc from 'picocolors';

/** Ends a command with code 1 after it has said itself what is wrong. */
export class QuietFailure extends Error {
  override name = 'QuietFailure';
}

/** Says on stderr why a command failed. Gives its exit code: 0 for help, 1 for a failure, 2 for faults of configuration or usage. */
export function toExitCode(error: unknown): number {
  if (error instanceof QuietFailure) return 1;
  // Commander has written its message already.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof ConfigError) {
    process.stderr.write(`${error.message}\n`);
    return 2;
  }
  if (error instanceof ModelManagerError) {
    process.stderr.write(`${pc.red('Error')}: ${error.message} (${error.code})\n`);
    if (error.hint !== undefined) process.stderr.write(`${error.hint}\n`);
    return error.code === 'invalid_request' ? 2 : 1;
  }
  process.stderr.write(`${pc.red('Error')}: ${error instanceof Error ? error.message : String(error)}\n`);
  return 1;
}
