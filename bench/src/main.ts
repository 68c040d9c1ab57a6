/**
 * What a call costs on its way through: the vendor's SDK called directly, a bare BullMQ job, and `generate` through a real
 * MCP client on stdio and on HTTP with one worker; beside each, an MCP call that asks nothing, which is the protocol's own
 * share. One run, one machine, one local upstream that answers at once. Every process is warm before it is measured.
 */
import { rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { formatAdmission, measureAdmission } from './admission.ts';
import { openBareBullmq } from './bare-bullmq.ts';
import { formatConversations, measureConversations } from './conversations.ts';
import { type LoadResult, percentile, runLoad } from './load.ts';
import { formatMachine, measureMachine } from './machine.ts';
import { measureStart, openHttp, openStdio } from './mcp.ts';
import { endProcess, startScript } from './processes.ts';
import { readyWorker, startUpstream } from './start-upstream.ts';

const machineBefore = await measureMachine();
const { dir, upstream, redis, env } = await startUpstream();
const { OPENAI_API_KEY: _key, ...frontEnv } = env;
const worker = startScript('services/worker/src/main.ts', [], env);
await readyWorker(worker);

const direct = new OpenAI({ apiKey: 'bench-key-0123456789', baseURL: env.OPENAI_BASE_URL, maxRetries: 0 });
const callDirectly = async () => {
  for await (const event of await direct.responses.create({
    model: 'gpt-5-mini',
    input: 'Say something short.',
    stream: true,
    store: false,
  })) {
    if (event.type === 'response.failed') throw new Error('the upstream failed');
  }
};

const rows: { name: string; one: LoadResult; fifty: LoadResult }[] = [];
const measure = async (name: string, once: () => Promise<void>) => {
  await runLoad(once, { count: 6_000, inFlight: 50 });
  const one = await runLoad(once, { count: 1_000, inFlight: 1 });
  const fifty = await runLoad(once, { count: 4_000, inFlight: 50 });
  rows.push({ name, one, fifty });
};

try {
  await measure('vendor SDK, directly', callDirectly);
  const bare = await openBareBullmq(redis.url.slice('unix:'.length));
  await measure('bare BullMQ job', bare.once);
  await bare.close();
  const stdio = await openStdio(frontEnv);
  await measure('nothing, MCP on stdio', stdio.nothing);
  await measure('generate, MCP on stdio', stdio.once);
  await stdio.close();
  const http = await openHttp(frontEnv);
  await measure('nothing, MCP on HTTP', http.nothing);
  await measure('generate, MCP on HTTP', http.once);
  await http.close();
  const starts = (await measureStart(frontEnv, 7)).toSorted((a, b) => a - b);
  report(starts);
  console.log(`\n${formatMachine(machineBefore, await measureMachine())}`);
  console.log(`\n${formatAdmission(await measureAdmission(redis.url.slice('unix:'.length)))}`);
  console.log(`\n${formatConversations(await measureConversations(`file:${join(dir, 'conversations.db')}`))}`);
} finally {
  await endProcess(worker);
  await endProcess(redis.child);
  await endProcess(upstream);
  await rm(dir, { recursive: true, force: true });
}

function report(starts: readonly number[]): void {
  const ms = (value: number) => value.toFixed(2).padStart(9);
  console.log(`Node ${process.version}, ${availableParallelism()} cores; times in ms\n`);
  console.log(
    `${''.padEnd(26)}${'1: p50'.padStart(9)}${'p99'.padStart(9)}${'50: p50'.padStart(9)}${'p99'.padStart(9)}${'calls/s'.padStart(9)}`,
  );
  for (const { name, one, fifty } of rows) {
    console.log(
      `${name.padEnd(26)}${ms(one.p50)}${ms(one.p99)}${ms(fifty.p50)}${ms(fifty.p99)}${fifty.perSecond.toFixed(0).padStart(9)}`,
    );
  }
  const [base, , , stdio, , http] = rows;
  if (base === undefined || stdio === undefined || http === undefined) return;
  console.log('\nAgainst the targets');
  for (const { name, one, fifty } of [stdio, http]) {
    console.log(
      `  ${name}: ${(one.p50 - base.one.p50).toFixed(2)} ms above direct at 1 in flight (to reach: 4), ${(fifty.perSecond / base.fifty.perSecond).toFixed(2)} × the direct rate at 50 (to reach: 0.3)`,
    );
  }
  console.log(
    `  start to tools/list: p50 ${percentile(starts, 0.5).toFixed(0)} ms, slowest of ${starts.length} ${(starts.at(-1) ?? 0).toFixed(0)} ms (to reach: 1000)`,
  );
}
