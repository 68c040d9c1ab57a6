import { defineConfig } from 'vitest/config';

const hour = 3_600_000;

/** Apart from the other suites: `npm test` does not run it. */
export default defineConfig({
  test: {
    include: ['tests/soak/**/*.test.ts'],
    globalSetup: ['tests/support/global-setup.ts'],
    testTimeout: 24 * hour,
    hookTimeout: 60_000,
  },
});
