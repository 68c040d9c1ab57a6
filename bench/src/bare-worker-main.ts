import { Worker } from 'bullmq';
import { Redis } from 'ioredis';

const connection = new Redis({ path: process.argv[2] ?? '', maxRetriesPerRequest: null });
const worker = new Worker<{ stream: string }>(
  'bare',
  (job) => connection.xadd(job.data.stream, '*', 'id', job.id ?? ''),
  { connection, concurrency: 100 },
);
await worker.waitUntilReady();
process.send?.('ready');
process.on('SIGTERM', () => process.exit(0));
