import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findStack, joinStack, startPatienceMs } from '@aimm/local-stack';
import type { RawEnvironment } from '@aimm/runtime';
import { formatDuration } from '@aimm/runtime/format';
import { colours } from '../colours.ts';
import { Interrupted, listenForInterrupt } from '../interrupt.ts';
import { formatTable, print, toOneLine } from '../output.ts';
import { openCommandEnvironment, stackLaunch } from '../session.ts';
import { type Answer, connectDemoClient, type DemoClient } from './demo-client.ts';

const question = 'Why do octopuses have three hearts?';

/**
 * Starts a stack of its own in a temporary folder, in demo mode, and asks it through a real MCP client.
 * Leaves nothing behind, however it ends. @throws Error when anything does not work, Interrupted on Ctrl-C
 */
export async function runDemo(): Promise<void> {
  const { raw: given, logger } = await openCommandEnvironment();
  const dataDir = await mkdtemp(join(tmpdir(), 'aimm-demo-'));
  const raw = toDemoEnvironment(given, dataDir);
  const interrupted = Promise.withResolvers<never>();
  const stopListening = listenForInterrupt((signal) => {
    process.stderr.write('\nStopping the stack of the demo.\n');
    interrupted.reject(new Interrupted(signal));
  });
  // Nobody else starts it: while it starts we know that there is something to stop.
  const joining = joinStack({ dataDir, raw, logger, launch: stackLaunch });
  let connecting: Promise<DemoClient> | undefined;
  const show = async () => {
    await joining;
    connecting = connectDemoClient(raw);
    await tellStory(await connecting);
  };
  const ignored = () => undefined; // Of what `show` waited for it has told the failure.
  try {
    await Promise.race([show(), interrupted.promise]);
  } finally {
    await joining.catch(ignored);
    await connecting?.then((client) => client.close(), ignored);
    const stack = await findStack(dataDir, startPatienceMs).catch(ignored);
    await joining.then((joined) => joined.close(), ignored);
    await stack?.stop();
    await rm(dataDir, { recursive: true, force: true });
    stopListening();
  }
  print(colours.green('\nThe demo is done; its stack and its files are gone.'));
  print('`npm start` starts the real thing; set a provider’s key first for real answers.');
}

/** What would lead out of the demo, or refuse and delay what it asks. */
const isLeftOut =
  /_(API_KEY|BASE_URL|CONCURRENCY|RPM|TPM)$|(^|_)BUDGET_USD_PER_(DAY|MONTH)$|^(REDIS|DATABASE)_URL$|^WORKER_|^AIMM_CONFIG_DIR$/;

/** This machine's environment for a demo in `dataDir`. */
export function toDemoEnvironment(raw: RawEnvironment, dataDir: string): Record<string, string> {
  const kept = Object.entries(raw).flatMap(([name, value]) =>
    value === undefined || isLeftOut.test(name) ? [] : [[name, value]],
  );
  return {
    ...Object.fromEntries(kept),
    AIMM_DATA_DIR: dataDir,
    AIMM_DEMO: 'on',
    // Any free port: the real stack may run beside the demo.
    DASHBOARD_PORT: '0',
    LOG_LEVEL: raw['LOG_LEVEL'] ?? 'warn',
  };
}

const mostCompared = 10;

/**
 * The default model of each provider, as many as may be compared; of whoever has left fewer than two in `config/`, further models.
 * @throws Error where there are no two
 */
export function chooseDemoModels({ models, providers }: Awaited<ReturnType<DemoClient['listModels']>>): string[] {
  const byDefault = providers.flatMap(({ provider, default_model: model }) =>
    model === undefined ? [] : [`${provider}/${model}`],
  );
  const all = [...new Set([...byDefault, ...models.map(({ model }) => model)])];
  const chosen = all.slice(0, Math.min(mostCompared, Math.max(2, byDefault.length)));
  if (chosen.length < 2) throw new Error('list_models named fewer than two models: `config/models.json` has the list.');
  return chosen;
}

async function tellStory(client: DemoClient): Promise<void> {
  heading('list_models', 'who can be asked');
  const { models, providers } = await client.listModels();
  print(`${models.length} models of ${providers.length} providers, ${colours.yellow('all of them demo stand-ins')}:`);
  const count = (id: string) => models.filter(({ provider }) => provider === id).length;
  const rows = providers.map(({ provider, name, default_model: byDefault = '–' }) => [
    name,
    String(count(provider)),
    byDefault,
  ]);
  print(formatTable(['Provider', 'Models', 'Default'], rows));

  const asked = chooseDemoModels({ models, providers });
  const [first = ''] = asked;

  heading('generate', `one model, streamed: “${question}”`);
  const streamed: string[] = [];
  const answer = await client.generate(first, question, (message) => {
    const isText = streamed.length > 0 || message.startsWith('[Demo');
    if (isText) streamed.push(message);
    process.stdout.write(isText ? message : colours.dim(`(${message})\n`));
  });
  if (streamed.length < 2) throw new Error('The answer did not arrive piece by piece.');
  print(`\n${colours.dim(`${formatFacts(answer)}, in ${streamed.length} pieces`)}`);

  heading('compare_models', `${asked.length} models at once: “${question}”`);
  const { results, summary } = await client.compare(asked, question, (message) => print(colours.dim(`(${message})`)));
  for (const result of results) {
    if ('error' in result) throw new Error(`${result.model} failed in the comparison: ${result.error.message}`);
    print(`${colours.bold(result.model)}  ${colours.dim(formatFacts(result))}\n  ${toOneLine(result.text, 150)}`);
  }
  print(
    `Fastest: ${summary.fastest ?? '–'} · cheapest: ${summary.cheapest ?? '–'} · longest: ${summary.longest ?? '–'}`,
  );

  heading('get_usage_stats', 'what it would have cost');
  const { totals, groups } = await client.usage();
  const expected = 1 + results.length;
  if (totals.calls !== expected) throw new Error(`The ledger has ${totals.calls} calls; the demo made ${expected}.`);
  const toRow = (name: string, row: typeof totals) => [
    name,
    String(row.calls),
    String(row.input_tokens),
    String(row.output_tokens),
    formatUsd(row.demo_cost_usd ?? 0),
  ];
  const usageRows = [...groups.map((group) => toRow(group.key, group)), toRow('Total', totals)];
  print(formatTable(['Provider', 'Calls', 'Tokens in', 'out', 'Cost'], usageRows));
}

function heading(tool: string, words: string): void {
  print(`\n${colours.bold(colours.cyan(tool))}  ${words}`);
}

function formatFacts({
  latency_ms: latencyMs,
  first_token_ms: firstTokenMs,
  usage,
  cost_usd: costUsd,
}: Answer): string {
  const { output_tokens: tokens = 0 } = usage;
  return `${formatDuration(latencyMs)}, first token after ${formatDuration(firstTokenMs)}, ${tokens} tokens, ${formatUsd(costUsd)}`;
}

function formatUsd(usd: number | null): string {
  return usd === null ? 'price unknown' : `$${usd.toFixed(5)}`;
}
