// Everything that CI checks, one after the other; runs all of it and fails at the end. Start it with `npm test`.
import { spawnSync } from 'node:child_process';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const env = { ...process.env, TURBO_TELEMETRY_DISABLED: '1' };

// Through npm: its scripts run under the checkout's own Node. The npm that runs us need not be on PATH.
const runNpm = (args) => {
  const options = { cwd: root, env, stdio: 'inherit' };
  const done = spawnSync('npm', args, options);
  const script = env.npm_execpath;
  return done.error?.code === 'ENOENT' && script ? spawnSync(process.execPath, [script, ...args], options) : done;
};

const steps = [
  { name: 'Format', npm: ['run', '--silent', 'format:check'], mend: 'npm run format' },
  { name: 'Lint', npm: ['run', '--silent', 'lint'] },
  { name: 'Types', npm: ['run', '--silent', 'typecheck'] },
  { name: 'Boundaries between packages', npm: ['run', '--silent', 'boundaries'] },
  { name: 'Unused code and dependencies', npm: ['run', '--silent', 'unused'] },
  { name: 'Tests', npm: ['exec', '--', 'vitest', 'run'] },
];

const results = steps.map((step) => {
  process.stdout.write(`\n── ${step.name} ${'─'.repeat(Math.max(3, 70 - step.name.length))}\n`);
  const startedAt = Date.now();
  const { status, error } = runNpm(step.npm);
  if (error !== undefined) process.stdout.write(`npm could not be run: ${error.message}\n`);
  return { ...step, passed: status === 0, seconds: (Date.now() - startedAt) / 1000 };
});

process.stdout.write('\n── Summary\n');
for (const { name, passed, seconds, mend } of results) {
  const hint = !passed && mend !== undefined ? `  (mend with: ${mend})` : '';
  process.stdout.write(
    `${passed ? 'ok    ' : 'FAILED'}  ${name.padEnd(32)} ${seconds.toFixed(1).padStart(6)} s${hint}\n`,
  );
}
const failed = results.filter((result) => !result.passed).length;
process.stdout.write(`${results.length - failed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
