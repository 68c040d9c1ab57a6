/** Takes the bare queues' jobs: `bare` asks nobody, `bare-calls` asks the vendor through its SDK. Argument: Redis' socket. */
import { type Job, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { createDirectCall } from './direct-call.ts';

const path = process.argv[2] ?? '';
const call = createDirectCall(process.env['OPENAI_BASE_URL'] ?? '');
const replies = new Redis({ path });

async function work(name: string, answer: () => Promise<string>): Promise<void> {
  const connection = new Redis({ path, maxRetriesPerRequest: null });
  const reply = async (job: Job<{ stream: string }>) =>
    replies.xadd(job.data.stream, '*', job.id ?? '', await answer());
  await new Worker<{ stream: string }>(name, reply, { connection, concurrency: 100 }).waitUntilReady();
}

await Promise.all([work('bare', () => Promise.resolve('nothing')), work('bare-calls', call)]);
process.send?.('ready');
process.on('SIGTERM', () => process.exit(0));
