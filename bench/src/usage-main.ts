/**
 * Reports over a large ledger: `npm run bench:usage`. Behind `--` another number of rows than a million, and `sqlite` or
 * `postgresql` for one of the two.
 */
import { databaseKinds, readKinds } from './database-place.ts';
import { formatUsage, measureUsageOn } from './usage.ts';

const args = process.argv.slice(2);
const rows = Number(args.find((arg) => /^\d+$/.test(arg)) ?? 1_000_000);
console.log(formatUsage(await measureUsageOn(readKinds(args, databaseKinds), rows)));
