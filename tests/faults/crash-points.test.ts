import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { ModelManagerError } from '@aimm/contracts';
import Sqlite from 'better-sqlite3';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { AskedGeneration } from '../support/asker.ts';
import { createFaultStack, type FaultStack } from '../support/fault-stack.ts';
import { expectInvariants } from '../support/invariants.ts';
import { requireRecovery } from '../support/measured.ts';
import type { OwnProcess } from '../support/processes.ts';
import { createRandom } from '../support/seeded-random.ts';
import { echo } from '../support/upstream.ts';

vi.setConfig({ testTimeout: 120_000 });

const lockMs = 3_000;
const recoveryBesidesLockMs = 10_000;

interface Scene {
  stack: FaultStack;
  worker: OwnProcess;
  ask: () => Promise<AskedGeneration>;
}

/** A moment in the life of a call: brings a request there. `callsAtMost`: what the vendor may see if its worker ends just then. */
interface Point {
  name: string;
  callsAtMost: number;
  /** The code that its client is told; absent where it is answered. */
  failsWith?: string;
  /** It stays there until the worker ends, so that another worker can stand by. */
  isStill?: boolean;
  reach(scene: Scene): Promise<AskedGeneration>;
}

function lockDatabase({ databaseUrl }: FaultStack): { release(): void } {
  const lock = new Sqlite(databaseUrl.slice('file:'.length));
  onTestFinished(() => void lock.close());
  lock.exec('BEGIN EXCLUSIVE');
  return { release: () => void lock.exec('ROLLBACK') };
}

const isWritten = async ({ databaseUrl }: FaultStack, { requestId }: AskedGeneration) => {
  const database = new Sqlite(databaseUrl.slice('file:'.length), { readonly: true });
  const found = database.prepare('SELECT 1 FROM usage_stats WHERE request_id = ?').get(requestId);
  database.close();
  return found !== undefined;
};

/** The first worker's calls go to a place that takes them and never lets them through. */
const toNowhere = 'before the call arrives';

const points: Point[] = [
  {
    name: toNowhere,
    callsAtMost: 1,
    isStill: true,
    async reach({ stack, ask }) {
      const asked = await ask();
      const redis = stack.redis.client();
      const checkpoint = () => redis.hexists(`{aimm}:mistral:${asked.requestId}`, 'aimm:checkpoint');
      await expect.poll(checkpoint, { timeout: 10_000, interval: 5 }).toBe(1);
      return asked;
    },
  },
  {
    name: 'during the call',
    callsAtMost: 2,
    isStill: true,
    async reach({ stack: { upstream }, ask }) {
      upstream.behave((call, tools) => (call.number === 2 ? tools.held : echo(call, tools)));
      const asked = await ask();
      await upstream.arrived(2);
      return asked;
    },
  },
  {
    name: 'between the answer and the outcome',
    callsAtMost: 2,
    async reach({ stack: { upstream, redis }, ask }) {
      upstream.behave(async (call, tools) => {
        if (call.number === 2) await tools.held;
        return echo(call, tools);
      });
      const asked = await ask();
      await upstream.arrived(2);
      redis.pause();
      upstream.release();
      await expect.poll(() => upstream.calls[1]?.answeredAt, { interval: 5 }).toBeDefined();
      return asked;
    },
  },
  {
    name: 'between the outcome and the ledger',
    callsAtMost: 1,
    async reach({ stack, ask }) {
      const lock = lockDatabase(stack);
      const asked = await ask();
      await asked.result;
      setTimeout(() => lock.release(), 1_500);
      return asked;
    },
  },
  {
    name: 'between a failed call and its retry',
    callsAtMost: 2,
    async reach({ stack, ask }) {
      stack.upstream.behave((call, tools) =>
        call.number === 2 ? tools.fail(500, { message: 'broken' }, { 'retry-after': '1' }) : echo(call, tools),
      );
      const lock = lockDatabase(stack);
      const asked = await ask();
      const redis = stack.redis.client();
      const checkpoint = () => redis.hget(`{aimm}:mistral:${asked.requestId}`, 'aimm:checkpoint');
      await expect.poll(checkpoint, { timeout: 10_000, interval: 5 }).toContain('"state":"failed"');
      setTimeout(() => lock.release(), 1_500);
      return asked;
    },
  },
  {
    name: 'between a final failure and the ledger',
    callsAtMost: 1,
    failsWith: 'invalid_request',
    async reach({ stack, ask }) {
      stack.upstream.behave((call, tools) =>
        call.number === 2 ? tools.fail(400, { message: 'no' }) : echo(call, tools),
      );
      const lock = lockDatabase(stack);
      const asked = await ask();
      await asked.result?.catch(() => undefined);
      setTimeout(() => lock.release(), 1_500);
      return asked;
    },
  },
  {
    name: 'between the ledger and the completion',
    callsAtMost: 1,
    async reach({ stack, ask }) {
      const lock = lockDatabase(stack);
      const asked = await ask();
      await asked.result;
      stack.redis.pause();
      lock.release();
      await expect.poll(() => isWritten(stack, asked), { timeout: 10_000, interval: 10 }).toBe(true);
      return asked;
    },
  },
  {
    name: 'after the completion',
    callsAtMost: 1,
    async reach({ stack, ask }) {
      const asked = await ask();
      const redis = stack.redis.client();
      await expect
        .poll(() => redis.zscore('{aimm}:mistral:completed', asked.requestId), { timeout: 10_000, interval: 5 })
        .not.toBeNull();
      return asked;
    },
  },
];

const victims = ['worker', 'worker and Redis', 'worker stopped past its lock'] as const;
type Victim = (typeof victims)[number];

/** Each point with each victim, so many times over; without a number a few of them, other ones each time. */
function chooseCases(): { point: Point; victim: Victim }[] {
  const all = points
    .flatMap((point) => victims.map((victim) => ({ point, victim })))
    // Its call is under way where nobody counts it, and it will say so when it wakes up: the same as during the call.
    .filter(({ point, victim }) => point.name !== toNowhere || victim !== 'worker stopped past its lock');
  const { FAULT_ROUNDS: rounds } = process.env;
  if (rounds !== undefined) return Array.from({ length: Number(rounds) }, () => all).flat();
  const random = createRandom();
  return all
    .map((each) => ({ each, order: random.between(0, 1) }))
    .toSorted((left, right) => left.order - right.order)
    .slice(0, 2)
    .map(({ each }) => each);
}

/** Ends the worker there; another takes over. Gives the time when it ended. */
async function strike({ stack, worker }: Scene, { isStill = false }: Point, victim: Victim): Promise<number> {
  if (isStill) await stack.startWorker();
  const at = Date.now();
  switch (victim) {
    case 'worker':
      await worker.end('SIGKILL');
      stack.redis.resume();
      break;
    case 'worker and Redis':
      // What the worker had sent to a Redis that was stopped is lost with it.
      await Promise.all([worker.end('SIGKILL'), stack.redis.kill()]);
      await stack.redis.start();
      break;
    case 'worker stopped past its lock':
      worker.signal('SIGSTOP');
      stack.redis.resume();
      break;
  }
  if (!isStill) await stack.startWorker();
  return at;
}

async function createSilentServer(): Promise<string> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test.each(chooseCases())(
  '$victim, $point.name: one end, and every call once in the ledger',
  async ({ point, victim }) => {
    const stack = await createFaultStack({ env: { AIMM_LOCK_SECONDS: String(lockMs / 1_000) } });
    const { upstream } = stack;
    const front = await stack.openFront();
    let worker = await stack.startWorker();
    // The first call of a worker loads much.
    await stack.answer(front, 'before');
    await expectInvariants(stack);
    if (point.name === toNowhere) {
      await worker.end();
      worker = await stack.startWorker({ MISTRAL_BASE_URL: await createSilentServer() });
    }
    const scene: Scene = { stack, worker, ask: () => stack.generate(front, point.name) };
    const asked = await point.reach(scene);
    const endedAt = await strike(scene, point, victim);

    const told = await asked.result?.then(
      ({ text }) => text,
      ({ code }: ModelManagerError) => code,
    );
    expect(told).toBe(point.failsWith ?? `echo: ${asked.prompt}`);
    const again = upstream.calls[2] ?? (point.name === toNowhere ? upstream.calls[1] : undefined);
    if (again !== undefined && point.isStill === true && victim === 'worker') {
      const promisedMs = lockMs + recoveryBesidesLockMs;
      const fault = `worker killed ${point.name}: running again (lock ${lockMs} ms)`;
      requireRecovery(fault, again.arrivedAt - endedAt, promisedMs);
    }
    upstream.release();
    worker.signal('SIGCONT');
    // Only a worker that wakes up late can know an answer that another has asked for again.
    const repeatedCalls = victim === 'worker stopped past its lock' ? 1 : 0;
    const bounds = { unmadeCalls: 1, repeatedCalls };
    await expectInvariants(stack, bounds);
    expect(upstream.calls.filter(({ prompt }) => prompt === asked.prompt).length).toBeLessThanOrEqual(
      point.callsAtMost,
    );
    // What a worker that woke up late had to say is said: nothing came of it.
    await delay(victim === 'worker stopped past its lock' ? 1_000 : 0);
    const rows = await expectInvariants(stack, bounds);
    const last = point.failsWith === undefined ? { status: 'succeeded', inputTokens: 10 } : { status: 'failed' };
    expect(rows.get(asked.requestId)?.at(-1)).toMatchObject(last);
  },
);
