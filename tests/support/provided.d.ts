import 'vitest';

declare module 'vitest' {
  /** What `tests/support/global-setup.ts` starts for every project but `unit`; read with `inject(…)`. */
  export interface ProvidedContext {
    /** `unix:/…/redis.sock`: a Redis of this run alone. Use a prefix or a database of your own per test file. */
    redisUrl: string;
    /** `postgresql://user:password@127.0.0.1:port/postgres`, a superuser: create a database of your own per test file. */
    postgresUrl: string;
    /** A folder of this run alone, removed at its end. */
    dir: string;
  }
}
