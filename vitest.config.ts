import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { chooseFaults } from './tests/support/choose-faults.ts';

if (Number(process.versions.node.split('.')[0]) < 22) {
  throw new Error(`run the tests through npm, which brings Node 24; this is Node ${process.version}`);
}

// For the test runners and the processes that they start: half of what a start takes is compiling.
process.env['NODE_COMPILE_CACHE'] ??= join(tmpdir(), 'node-compile-cache');

const slow = { testTimeout: 60_000, hookTimeout: 60_000 };

export default defineConfig({
  test: {
    // Tests wait for processes more than they compute: three side by side on two cores, where vitest would run one.
    maxWorkers: 3,
    // A poll waits for an event, on a machine that may be busy; where it is a bound that something promises, the test says so.
    expect: { poll: { timeout: 15_000 } },
    coverage: {
      provider: 'v8',
      include: ['{services,packages}/*/src/**/*.{ts,tsx}'],
      reporter: ['text-summary', 'lcov'],
    },
    projects: [
      // They leave nothing behind: what one file has loaded is there for the next. Some start a Redis and a database.
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['{packages,services}/*/test/**/*.test.ts'],
          isolate: false,
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'integration',
          include: ['tests/integration/**/*.test.ts'],
          globalSetup: ['tests/support/global-setup.ts'],
          ...slow,
        },
      },
      {
        extends: true,
        test: {
          name: 'e2e',
          include: ['tests/e2e/**/*.test.ts'],
          globalSetup: ['tests/support/global-setup.ts'],
          ...slow,
        },
      },
      {
        extends: true,
        test: {
          name: 'faults',
          include: chooseFaults(),
          globalSetup: ['tests/support/global-setup.ts'],
          ...slow,
        },
      },
      {
        extends: true,
        test: { name: 'fuzz', include: ['tests/fuzz/**/*.test.ts'], ...slow },
      },
    ],
  },
});
