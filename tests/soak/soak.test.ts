import { appendFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, onTestFailed, onTestFinished, test } from 'vitest';
import { type HttpFront, startHttpFront } from '../support/deployment.ts';
import { createFaultStack } from '../support/fault-stack.ts';
import { countActive, expectInvariants } from '../support/invariants.ts';
import { heapProbe, measureProcess } from '../support/measure-process.ts';
import type { OwnProcess } from '../support/processes.ts';
import { createRandom } from '../support/seeded-random.ts';
import { createTcpProxy } from '../support/tcp-proxy.ts';
import { createEmptyDatabase } from '../support/test-databases.ts';
import { loadSoakSettings } from './env.ts';
import { ageOut, countUnwritten, findRequests, reader } from './find-requests.ts';
import { createMischief } from './mischief.ts';
import { createReport } from './report.ts';
import { measureRedis } from './samples.ts';
import { type AskedBatch, cancelBatch, createBatchAsk, expectBatch, startBatch } from './soak-batches.ts';
import { ask, type Asked, cancel, connectTo, type SoakFront } from './soak-client.ts';
import { expectTalk, type Talk } from './soak-talk.ts';
import { createMoodyVendor } from './vendor-moods.ts';

const settings = loadSoakSettings();
/** Calls that stall are tried again, each until its time-out; a queue may have been paused meanwhile. */
const drainWithinMs = 90_000;
/** These end no call and hide no answer. */
const harmless = ['front kill -9', 'database away'];
/** Jobs that begin between a count of those that run and what is done to them. */
const startMeanwhile = 2;
const models = ['mistral/mistral-small-latest', 'mistral/mistral-medium-3-5', 'mistral/brand-new'];

test('everything at once for a while: every promise holds, and nothing grows', async () => {
  const random = createRandom();
  const oneOf = <T>(list: readonly [T, ...T[]] | readonly T[]): T => {
    const found = list[Math.floor(random.between(0, list.length))];
    if (found === undefined) throw new Error('there is nothing to choose from');
    return found;
  };
  const { databaseUrl, proxy, direct } = await openDatabase();
  const stack = await createFaultStack({
    ...(direct !== undefined && { databaseUrl: direct }),
    env: {
      ...(databaseUrl !== undefined && { DATABASE_URL: databaseUrl }),
      NODE_OPTIONS: heapProbe,
      AIMM_LOCK_SECONDS: '5',
      MISTRAL_CONCURRENCY: '20',
      LOG_LEVEL: 'info',
    },
  });
  stack.upstream.behave(createMoodyVendor(random));
  const report = createReport(settings, process.env['FAULT_SEED'] ?? 'printed above');

  const [steadyWorker, firstWorker] = await Promise.all([stack.startWorker(), stack.startWorker()]);
  let mortalWorker = firstWorker;
  const launchFront = () => startHttpFront({ ...stack.env, HTTP_PORT: '0' });
  const fronts: HttpFront[] = await Promise.all([launchFront(), launchFront()]);
  onTestFinished(() => Promise.all(fronts.map((front) => front.process.end('SIGKILL'))).then(() => undefined));
  const [steadyFront] = fronts;
  if (steadyFront === undefined) throw new Error('no front');
  let connected: SoakFront[] = [];
  const reconnect = async () => {
    const old = connected;
    connected = await Promise.all(fronts.map(connectTo));
    await Promise.allSettled(old.map(({ client }) => client.close()));
  };
  const mischief = createMischief({
    stack,
    random,
    proxy,
    steady: [steadyWorker, steadyFront.process],
    mortal: { worker: () => mortalWorker, front: () => (fronts[1] ?? steadyFront).process },
    replace: {
      async worker() {
        mortalWorker = await stack.startWorker();
      },
      async front() {
        // The SDK's client waits for a broken stream to come back until its time-out: it is told that nobody is there.
        const [first, dead] = connected;
        await dead?.client.close().catch(() => undefined);
        fronts[1] = await launchFront();
        connected = [...(first === undefined ? [] : [first]), await connectTo(fronts[1])];
      },
    },
  });
  onTestFailed(() => {
    process.stderr.write(`--- front ${steadyFront.process.pid}\n${steadyFront.process.log().slice(-3_000)}\n`);
  });
  const manager = await stack.openFront();
  const { ledger } = await stack.database();
  const redis = stack.redis.client();
  let [asks, batchesAsked] = [0, 0];

  const limits = { timeout_seconds: 4, max_wait_seconds: 120 };
  const toAsked = (kind: Asked['kind']): Asked => {
    const number = (asks += 1);
    const [prompt, tag] = [`<<${number}: soak>>`, `soak-${number}`];
    return { kind, prompt, tag, refused: false, givenUp: false, heard: '', now: '', isDone: false };
  };

  const askOne = async (asked: Asked[], until: number) => {
    const kind = random.between(0, 1) < 0.15 ? 'comparison' : 'generation';
    const one = toAsked(kind);
    asked.push(one);
    const args = { ...(kind === 'comparison' ? { models: models.slice(0, 2) } : { model: oneOf(models) }), ...limits };
    const background = random.between(0, 1) < 0.4;
    const fate = random.between(0, 1);
    // Whoever listens for progress is streamed to; a client that goes away takes its request with it.
    const signal = !background && fate < 0.08 ? AbortSignal.timeout(Math.round(random.between(10, 1_500))) : undefined;
    const asking = ask(one, () => oneOf(connected), { background, args, ...(signal && { signal }) });
    one.givenUp = signal !== undefined || (background && fate < 0.12);
    if (background && fate < 0.12) {
      await delay(Math.min(random.between(0, 1_500), Math.max(0, until - Date.now())));
      await cancel(one, () => oneOf(connected));
    }
    await asking;
    one.isDone = true;
  };

  const talkOn = async (talk: Talk, asked: Asked[], until: number) => {
    while (Date.now() < until) {
      const one = toAsked('generation');
      asked.push(one);
      talk.turns.push(one);
      const place = talk.id === undefined ? { save_conversation: true } : { conversation_id: talk.id };
      const args = { model: oneOf(models), ...place, ...limits };
      await ask(one, () => oneOf(connected), { background: random.between(0, 1) < 0.4, args });
      talk.id ??= one.told?.conversation_id;
      one.isDone = true;
      await delay(random.between(100, 1_000));
    }
  };
  const runBatch = async (batch: AskedBatch, until: number) => {
    await startBatch(batch, () => oneOf(connected));
    if (random.between(0, 1) > 0.3) return;
    await delay(Math.min(random.between(0, 5_000), Math.max(0, until - Date.now())));
    await cancelBatch(batch, () => oneOf(connected));
  };

  const runRound = async (roundMs: number) => {
    const startedAt = Date.now();
    /** Jobs that ran when something was done to them: what may be told or called once more than it need be. */
    let interrupted = 0;
    const until = startedAt + roundMs;
    const firstCall = stack.upstream.calls.length;
    const asked: Asked[] = [];
    const underWay: Promise<void>[] = [];
    const talk: Talk = { turns: [] };
    const batches = [createBatchAsk((batchesAsked += 1), models.slice(0, 2))];
    const stirUp = async () => {
      while (Date.now() < until) {
        await delay(random.between(1_500, 5_000));
        const name = oneOf(Object.keys(mischief));
        report.fault(name);
        if (!harmless.includes(name)) interrupted += (await countActive(redis)) + startMeanwhile;
        await mischief[name]?.();
      }
    };
    const keepAsking = async () => {
      while (Date.now() < until) {
        underWay.push(askOne(asked, until));
        await delay((2_000 / settings.rate) * random.between(0, 1));
      }
    };
    underWay.push(talkOn(talk, asked, until), ...batches.map((batch) => runBatch(batch, until)));
    await Promise.all([stirUp(), keepAsking()]);
    await endWithin(Promise.all(underWay), () => asked.filter(({ isDone }) => !isDone));

    // Looked at anew each time: whoever lost its client may have a try to come.
    const allCalls = () => stack.upstream.calls.slice(firstCall);
    const ofBatches = [];
    for (const batch of batches) {
      const from = { manager, databaseUrl: stack.databaseUrl, calls: allCalls, interrupted };
      const found = await expectBatch(batch, from);
      ofBatches.push(found);
    }
    // Some requests are known by their rows only, so those must have arrived.
    const open = async () => [await redis.zcard('{aimm}:unsettled'), await countUnwritten(redis)];
    await expect.poll(open, { timeout: 120_000, interval: 250 }).toEqual([0, 0]);
    const { ranThoughRefused, ...requests } = await findRequests(asked, { redis, manager, ledger });
    const batchPrompts = new Set(batches.flatMap(({ prompts }) => prompts));
    const otherRows = ofBatches.reduce((sum, found) => sum + found.rows, 0);
    const rows = await expectInvariants(
      {
        ...requests,
        redis: { client: () => redis },
        upstream: {
          get calls() {
            return allCalls().filter(({ prompt }) => !batchPrompts.has(prompt));
          },
        },
        openFront: () => Promise.resolve(manager),
        database: () => stack.database(),
      },
      {
        unmadeCalls: interrupted,
        unseenCalls: interrupted + asked.filter(({ givenUp }) => givenUp).length,
        repeatedCalls: interrupted,
        reader,
        since: startedAt,
        otherRows,
      },
    );
    await expectTalk(talk, await stack.database());
    for (const found of ofBatches) report.whole('batches', found.ended, found.rows);
    report.whole('conversations', { turns: talk.turns.filter(({ told }) => told?.status === 'succeeded').length });
    report.round({ asked, calls: allCalls().length, rows: [...rows.values()].flat(), ranThoughRefused });
  };

  const measure = async () => {
    await reconnect();
    report.sample('worker', await measureAtRest(steadyWorker));
    report.sample('front', await measureAtRest(steadyFront.process));
    const { dataKb, streamsKb, keys } = await measureRedis(redis);
    report.sample('Redis', { redisKb: dataKb });
    report.redis({ streamsKb, keys });
  };

  await reconnect();
  const endAt = Date.now() + settings.minutes * 60_000;
  let held = false;
  try {
    while (Date.now() < endAt) {
      await runRound(settings.roundSeconds * 1_000);
      await ageOut(redis);
      await measure();
      process.stderr.write(`${report.line()}\n`);
    }
    held = true;
    process.stderr.write(`\n${report.table()}\n`);
  } finally {
    const json = JSON.stringify({ ...report.figures(), held });
    process.stdout.write(`${json}\n`);
    const file = process.env['SOAK_REPORT'];
    if (file !== undefined) await appendFile(file, `${json}\n`);
  }
  expect(report.grown()).toEqual([]);
});

/** Connections that are kept for the next call, and timers of what was just done, go within seconds: what is left then is counted. */
async function measureAtRest(own: OwnProcess): Promise<Awaited<ReturnType<typeof measureProcess>>> {
  let least = await measureProcess(own);
  for (let look = 0; look < 5; look += 1) {
    await delay(1_000);
    const next = await measureProcess(own);
    least = { ...next, resources: Math.min(least.resources, next.resources) };
  }
  return least;
}

/** Every request has an end, at the latest a while after the faults have. @throws with those that have none */
async function endWithin(work: Promise<unknown>, findOpen: () => readonly Asked[]): Promise<void> {
  const controller = new AbortController();
  const late = delay(drainWithinMs, 'late', { signal: controller.signal });
  const first = await Promise.race([work, late]);
  controller.abort();
  late.catch(() => undefined);
  if (first === 'late') throw new Error(`requests without an end: ${JSON.stringify(findOpen())}`);
}

/** PostgreSQL is reached through a proxy, so that it can be taken away; SQLite is locked. */
async function openDatabase() {
  if (settings.database === 'sqlite') return {};
  const direct = await createEmptyDatabase('postgresql');
  const proxied = new URL(direct);
  const proxy = await createTcpProxy(Number(proxied.port));
  onTestFinished(() => proxy.close());
  proxied.port = String(proxy.port);
  return { direct, proxy, databaseUrl: proxied.href };
}
