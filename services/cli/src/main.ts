import { createProgram } from './program.ts';
import { toExitCode } from './report-failure.ts';

try {
  await createProgram().parseAsync(process.argv);
} catch (error) {
  // At once: what failed half-way may still hold something open.
  process.exit(toExitCode(error));
}
