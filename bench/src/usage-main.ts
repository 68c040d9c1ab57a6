/** Reports over a large ledger, on both databases: `npm run bench:usage`, with another number of rows behind `--` than a million. */
import { formatUsage, measureUsageOnBoth } from './usage.ts';

console.log(formatUsage(await measureUsageOnBoth(Number(process.argv[2] ?? 1_000_000))));
