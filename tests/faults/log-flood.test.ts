import { setTimeout as delay } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { startHttpFront } from '../support/deployment.ts';
import { createFaultStack } from '../support/fault-stack.ts';
import { expectInvariants } from '../support/invariants.ts';
import type { OwnProcess } from '../support/processes.ts';
import { echo } from '../support/upstream.ts';

interface Line {
  time: string;
  msg: string;
  level: number;
  leftOut?: number;
  of?: string;
}

function readLines(own: OwnProcess): Line[] {
  return own
    .log()
    .split('\n')
    .flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as Line] : []));
}

function countBusiestSecond(lines: Line[]): number {
  const counts = new Map<string, number>();
  for (const { time } of lines) counts.set(time.slice(0, 19), (counts.get(time.slice(0, 19)) ?? 0) + 1);
  return Math.max(0, ...counts.values());
}

test('five hundred calls that fail make a few lines, which say how many they stand for', async () => {
  const stack = await createFaultStack({
    env: { LOG_LEVEL: 'info' },
    // So many failures would set the model aside.
    provider: { attempts: 1, cooldown: false },
  });
  const { upstream } = stack;
  upstream.behave((_call, { fail }) => fail(500, { message: 'broken' }));
  const [front, worker] = await Promise.all([stack.openFront(), stack.startWorker()]);
  const asked = await Promise.all(Array.from({ length: 500 }, (_, index) => stack.generate(front, `job ${index}`)));
  const ends = await Promise.allSettled(asked.map(({ result }) => result));
  expect(ends.filter(({ status }) => status === 'fulfilled')).toEqual([]);

  const about = (line: Line) => line.msg === 'A call failed' || line.of === 'A call failed';
  const counted = () =>
    readLines(worker)
      .filter(about)
      .reduce((sum, { leftOut = 1 }) => sum + leftOut, 0);
  await expect.poll(counted, { timeout: 30_000 }).toBe(500);
  expect(readLines(worker).filter(about).length).toBeLessThan(30);
  expect(readLines(worker).length).toBeLessThan(60);
});

/** The promise is tens of lines for a minute; most of them come at its beginning. The long form takes the minute. */
const outageMs = process.env['FAULT_ROUNDS'] === undefined ? 8_000 : 60_000;
const lockMs = 30_000;
const linesAtMost = 60;
const linesPerSecondAtMost = 40;

test('an outage of Redis under load makes tens of lines in each process, not thousands', async () => {
  const stack = await createFaultStack({
    env: { LOG_LEVEL: 'info', MISTRAL_CONCURRENCY: '20', AIMM_LOCK_SECONDS: String(lockMs / 1_000) },
  });
  const { upstream } = stack;
  upstream.behave(async (call, tools) => {
    await tools.held;
    return echo(call, tools);
  });
  const worker = await stack.startWorker();
  const { process: idleFront } = await startHttpFront({ ...stack.env, HTTP_PORT: '0' });
  onTestFinished(async () => void (await idleFront.end('SIGKILL')));
  const front = await stack.openFront();
  const asked = await Promise.all(Array.from({ length: 60 }, (_, index) => stack.generate(front, `job ${index}`)));
  await upstream.arrived(20);
  const before = [worker, idleFront].map((own) => readLines(own).length);
  await stack.redis.kill();
  upstream.behave(echo);
  upstream.release();
  // The length of the outage, not a wait for something.
  await delay(outageMs);
  await stack.redis.start();
  await Promise.all(asked.map(({ result }) => result));
  for (const [index, own] of [worker, idleFront].entries()) {
    const lines = readLines(own).slice(before[index]);
    const name = index === 0 ? 'worker' : 'front';
    process.stderr.write(
      `figure: ${JSON.stringify({ fault: `lines of a ${name} in a Redis outage`, outageMs, lines: lines.length })}\n`,
    );
    expect(lines.length).toBeLessThan(linesAtMost);
    expect(countBusiestSecond(lines)).toBeLessThan(linesPerSecondAtMost);
  }
  // Those under way are made again where the outage outlasts the locks.
  await expectInvariants(stack, outageMs > lockMs ? { repeatedCalls: 20 } : {});
}, 150_000);
