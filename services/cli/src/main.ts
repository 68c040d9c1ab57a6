import { createProgram } from './program.ts';
import { reportFailure } from './report-failure.ts';

// `aimm … | head`: whoever read us has enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
// Nobody listens there any more: the answer is still wanted.
process.stderr.on('error', () => undefined);

try {
  await createProgram().parseAsync(process.argv);
} catch (error) {
  // At once: what failed half-way may still hold something open.
  process.exit(reportFailure(error, process.argv.slice(2)));
}
