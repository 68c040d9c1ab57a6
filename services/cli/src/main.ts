import { createProgram } from './program.ts';
import { toExitCode } from './report-failure.ts';

// `aimm … | head`: whoever read us has enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

try {
  await createProgram().parseAsync(process.argv);
} catch (error) {
  // At once: what failed half-way may still hold something open.
  process.exit(toExitCode(error));
}
