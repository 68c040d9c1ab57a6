/**
 * What a call costs on its way through: the vendor's SDK called directly, a bare BullMQ job, and `generate` through a real
 * MCP client on stdio and on HTTP with one worker. Beside each, an MCP call that asks nothing, which is the protocol's own
 * share, and the bare chain: MCP SDK, BullMQ and vendor SDK in as many processes, with nothing of ours between them. One run, one
 * machine, one local upstream that answers at once. Every process is warm before it is measured.
 */
import { rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { formatAdmission, measureAdmission } from './admission.ts';
import { openBare } from './bare.ts';
import { formatConversations, measureConversations } from './conversations.ts';
import { createDirectCall } from './direct-call.ts';
import { type LoadResult, runLoad } from './load.ts';
import { formatMachine, measureMachine } from './machine.ts';
import { front, openHttp, openStdio } from './mcp.ts';
import { endProcess, startScript } from './processes.ts';
import { formatStarts, measureStarts } from './start.ts';
import { readyWorker, startUpstream } from './start-upstream.ts';

const machineBefore = await measureMachine();
const { dir, upstream, redis, env } = await startUpstream();
const { OPENAI_API_KEY: _key, ...frontEnv } = env;
const worker = startScript('services/worker/src/main.ts', [], env);
await readyWorker(worker);

interface Row {
  name: string;
  one: LoadResult;
  fifty: LoadResult;
}

try {
  const socket = redis.url.slice('unix:'.length);
  const bare = await openBare(socket, env);
  const bareStdio = await bare.openStdio();
  const bareHttp = await bare.openHttp();
  const stdio = await openStdio(front.stdio, frontEnv);
  const http = await openHttp(front.http, frontEnv);
  const measure = async (name: string, once: () => Promise<unknown>): Promise<Row> => {
    await runLoad(once, { count: 6_000, inFlight: 50 });
    const one = await runLoad(once, { count: 1_000, inFlight: 1 });
    return { name, one, fifty: await runLoad(once, { count: 4_000, inFlight: 50 }) };
  };
  const rows = [
    await measure('vendor SDK, directly', createDirectCall(env.OPENAI_BASE_URL)),
    await measure('bare BullMQ job', bare.job),
    await measure('nothing, MCP on stdio', stdio.nothing),
    await measure('bare chain, MCP on stdio', bareStdio.once),
    await measure('generate, MCP on stdio', stdio.once),
    await measure('nothing, MCP on HTTP', http.nothing),
    await measure('bare chain, MCP on HTTP', bareHttp.once),
    await measure('generate, MCP on HTTP', http.once),
  ];
  for (const opened of [stdio, http, bareStdio, bareHttp, bare]) await opened.close();
  report(rows);
  console.log(formatStarts(await measureStarts(join(dir, 'stack'), 7)));
  console.log(`\n${formatMachine(machineBefore, await measureMachine())}`);
  console.log(`\n${formatAdmission(await measureAdmission(socket))}`);
  console.log(`\n${formatConversations(await measureConversations(`file:${join(dir, 'conversations.db')}`))}`);
} finally {
  await endProcess(worker);
  await endProcess(redis.child);
  await endProcess(upstream);
  await rm(dir, { recursive: true, force: true });
}

function report(rows: readonly Row[]): void {
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
  const [direct] = rows;
  if (direct === undefined) return;
  console.log(
    '\nAgainst the targets: above direct at 1 in flight (to reach: 4 ms), of the direct rate at 50 (to reach: 0.3)',
  );
  for (const { name, one, fifty } of rows) {
    if (!/^(generate|bare chain)/.test(name)) continue;
    const share = fifty.perSecond / direct.fifty.perSecond;
    console.log(`  ${name.padEnd(26)}${ms(one.p50 - direct.one.p50)} ms ${share.toFixed(2).padStart(9)} ×`);
  }
}
