import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findStack } from '@aimm/local-stack';
import { loadEnvironment, type RawEnvironment } from '@aimm/runtime';
import { formatDuration } from '@aimm/runtime/format';
import { colours } from '../colours.ts';
import { formatTable, print, toOneLine } from '../output.ts';
import { type Answer, connectDemoClient, type DemoClient } from './demo-client.ts';

const question = 'Why do octopuses have three hearts?';

/**
 * Starts a stack of its own in a temporary folder, in demo mode, and asks it through a real MCP client.
 * Leaves nothing behind, however it ends. @throws Error when anything does not work
 */
export async function runDemo(): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), 'aimm-demo-'));
  const interrupted = Promise.withResolvers<never>();
  const onSignal = () => interrupted.reject(new Error('interrupted'));
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  let client: DemoClient | undefined;
  const show = async () => {
    client = await connectDemoClient(toDemoEnvironment(loadEnvironment().raw, dataDir));
    await tellStory(client);
  };
  try {
    await Promise.race([show(), interrupted.promise]);
  } finally {
    await client?.close();
    const stack = await findStack(dataDir);
    await stack?.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
  print(colours.green('\nThe demo is done; its stack and its files are gone.'));
  print('`npm start` starts the real thing; set a provider’s key first for real answers.');
}

/** This machine's environment without anything that leads out of the demo. */
function toDemoEnvironment(raw: RawEnvironment, dataDir: string): Record<string, string> {
  const kept = Object.entries(raw).flatMap(([name, value]) =>
    value === undefined || /_(API_KEY|BASE_URL)$|^(REDIS|DATABASE)_URL$|^WORKER_/.test(name) ? [] : [[name, value]],
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

  const asked = providers.flatMap(({ provider, default_model: model }) =>
    model === undefined ? [] : [`${provider}/${model}`],
  );
  const [first] = asked;
  if (first === undefined || asked.length < 5)
    throw new Error('list_models did not name five providers with a default model.');

  heading('generate', `one model, streamed: “${question}”`);
  const streamed: string[] = [];
  const answer = await client.generate(first, question, (message) => {
    const isText = streamed.length > 0 || message.startsWith('[Demo');
    if (isText) streamed.push(message);
    process.stdout.write(isText ? message : colours.dim(`(${message})\n`));
  });
  if (streamed.length < 2) throw new Error('The answer did not arrive piece by piece.');
  print(`\n${colours.dim(`${formatFacts(answer)}, in ${streamed.length} pieces`)}`);

  heading('compare_models', `${asked.length} providers at once: “${question}”`);
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
    formatUsd(row.cost_usd),
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
