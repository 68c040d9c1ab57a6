/**
 * What a call costs on its way through: the vendor's SDK called directly, a bare BullMQ job, and `generate` through a real
 * MCP client on stdio and on HTTP with one worker. Beside each, an MCP call that asks nothing, which is the protocol's own
 * share, and the bare chain: MCP SDK, BullMQ and vendor SDK in as many processes, with nothing of ours between them. One run, one
 * machine, one local upstream that answers at once; all in turns, and every process warm before it is measured.
 */
import { rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { formatAdmission, measureAdmission } from './admission.ts';
import { openBare } from './bare.ts';
import { formatConversations, measureConversations } from './conversations.ts';
import { createDirectCall } from './direct-call.ts';
import { type Load, type LoadResult, runLoads } from './load.ts';
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

try {
  const socket = redis.url.slice('unix:'.length);
  const bare = await openBare(socket, env);
  const bareStdio = await bare.openStdio();
  const bareHttp = await bare.openHttp();
  const stdio = await openStdio(front.stdio, frontEnv);
  const http = await openHttp(front.http, frontEnv);
  const loads: Load[] = [
    { name: 'vendor SDK, directly', once: createDirectCall(env.OPENAI_BASE_URL) },
    { name: 'bare BullMQ job', once: bare.job },
    { name: 'nothing, MCP on stdio', once: stdio.nothing },
    { name: 'bare chain, MCP on stdio', once: bareStdio.once },
    { name: 'generate, MCP on stdio', once: stdio.once },
    { name: 'nothing, MCP on HTTP', once: http.nothing },
    { name: 'bare chain, MCP on HTTP', once: bareHttp.once },
    { name: 'generate, MCP on HTTP', once: http.once },
  ];
  await runLoads(loads, { count: 6_000, inFlight: 50, rounds: 1 });
  const one = await runLoads(loads, { count: 1_000, inFlight: 1, rounds: 4 });
  const fifty = await runLoads(loads, { count: 4_000, inFlight: 50, rounds: 4 });
  for (const opened of [stdio, http, bareStdio, bareHttp, bare]) await opened.close();
  report(loads, one, fifty);
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

function report(loads: readonly Load[], one: readonly LoadResult[], fifty: readonly LoadResult[]): void {
  const ms = (value = Number.NaN) => value.toFixed(2).padStart(9);
  console.log(`Node ${process.version}, ${availableParallelism()} cores; times in ms\n`);
  console.log(
    `${''.padEnd(26)}${'1: p50'.padStart(9)}${'p99'.padStart(9)}${'50: p50'.padStart(9)}${'p99'.padStart(9)}${'calls/s'.padStart(9)}`,
  );
  for (const [index, { name }] of loads.entries()) {
    const [single, many] = [one[index], fifty[index]];
    console.log(
      `${name.padEnd(26)}${ms(single?.p50)}${ms(single?.p99)}${ms(many?.p50)}${ms(many?.p99)}${(many?.perSecond ?? Number.NaN).toFixed(0).padStart(9)}`,
    );
  }
  console.log(
    '\nAgainst the targets: above direct at 1 in flight (to reach: 4 ms), of the direct rate at 50 (to reach: 0.3)',
  );
  for (const [index, { name }] of loads.entries()) {
    if (!/^(generate|bare chain)/.test(name)) continue;
    const above = (one[index]?.p50 ?? Number.NaN) - (one[0]?.p50 ?? 0);
    const share = (fifty[index]?.perSecond ?? Number.NaN) / (fifty[0]?.perSecond ?? 1);
    console.log(`  ${name.padEnd(26)}${ms(above)} ms ${share.toFixed(2).padStart(9)} ×`);
  }
}
