/** Reports over a large ledger, on both databases: `npm run bench -- usage`, with a number of rows other than a million if wanted. */
import { formatUsage, measureUsageOnBoth } from './usage.ts';

console.log(formatUsage(await measureUsageOnBoth(Number(process.argv[2] ?? 1_000_000))));
