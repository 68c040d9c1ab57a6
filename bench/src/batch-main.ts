/**
 * Batches on this machine: items a second with an upstream that answers at once, through one worker and two; what an
 * outstanding item takes in Redis; its memory at 1,000 and 100,000 items; what somebody waits who asks beside the large one; how much
 * of a provider's limit is used.
 * `npm run bench:batch -- 2000`: fewer items in place of 100,000.
 */
import { availableParallelism } from 'node:os';
import { formatBatchRuns, measureBatch } from './batch.ts';
import type { Interactive } from './interactive.ts';

// Every process that was started is ended with this one.
process.setMaxListeners(50);
const large = Number(process.argv[2] ?? 100_000);
console.log(`Node ${process.version}, ${availableParallelism()} cores, SQLite; one model\n`);
const runs = [
  await measureBatch({ workers: 1, items: 1_000 }),
  await measureBatch({ workers: 2, items: 1_000 }),
  await measureBatch({ workers: 1, items: large, interactive: true }),
];
console.log(formatBatchRuns(runs));
const { without, beside } = runs[2]?.interactive ?? {};
const inWords = (asked?: Interactive) =>
  asked === undefined ? '' : `p50 ${asked.p50.toFixed(1)} ms, p99 ${asked.p99.toFixed(1)} ms of ${asked.calls}`;
console.log(`\nAn MCP call over HTTP, without: ${inWords(without)}; beside the large batch: ${inWords(beside)}`);

const perMinute = 1_200;
const limited = await measureBatch({ workers: 2, items: 600, limits: { OPENAI_RPM: String(perMinute) } });
const used = limited.perSecond / (perMinute / 60);
console.log(
  `\nUse of a limit of ${perMinute} requests a minute: ${(used * 100).toFixed(1)} % (to reach: 95 %)\n` +
    `Redis at ${large.toLocaleString('en-US')} items: ${((runs[2]?.redisPeakBytes ?? 0) / 1e6).toFixed(1)} MB (to reach: under 200 MB)`,
);
