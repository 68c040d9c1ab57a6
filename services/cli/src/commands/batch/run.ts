import { access, constants } from 'node:fs/promises';
import { type BatchLane, type BatchView, type JudgeMode, ModelManagerError } from '@aimm/contracts';
import type { BatchEstimate } from '@aimm/manager';
import { askToGoOn, canAsk } from '../../ask-to-go-on.ts';
import { stderrColours } from '../../colours.ts';
import { formatCost, formatPlural } from '@aimm/runtime/format';
import { print } from '../../output.ts';
import { type Session, withSession } from '../../session.ts';
import { withInterrupt } from '../../interrupt.ts';
import { followBatch, reportBatch } from './follow.ts';

interface RunOptions {
  models: string[];
  maxCost?: number;
  yes?: boolean;
  name?: string;
  template?: string;
  format?: 'jsonl' | 'csv' | 'tsv' | 'json';
  assert?: string[];
  judge?: string;
  judgeMode?: JudgeMode;
  criteria?: string;
  lane?: BatchLane;
  system?: string;
  maxOutputTokens?: number;
  temperature?: number;
  timeout?: number;
  tag?: string[];
  detach?: boolean;
  json?: boolean;
  plain?: boolean;
}

export async function run(file: string, options: RunOptions): Promise<void> {
  const { openWhenRead, parseAssertion, parseBatchFile } = await import('@aimm/batch');
  const assertions = (options.assert ?? []).map(parseAssertion);
  if (options.judge === undefined && (options.criteria !== undefined || options.judgeMode !== undefined)) {
    throw new ModelManagerError('invalid_request', '--criteria and --judge-mode need --judge, the model that judges.');
  }
  if (file !== '-') await requireReadable(file);
  await withSession(async (session) => {
    const { manager, caller, env } = session;
    const content = file === '-' ? process.stdin : openWhenRead(file);
    const items = parseBatchFile(
      { name: file === '-' ? 'stdin' : file, content, format: options.format },
      { template: options.template, system: options.system, maxPromptBytes: env.AIMM_MAX_PROMPT_BYTES },
    );
    const { judge, judgeMode: mode, criteria, maxCost } = options;
    const { requireRequestSize } = await import('@aimm/batch/input');
    // They are sent with every verdict.
    requireRequestSize({ messages: [], settings: {} }, env.AIMM_MAX_PROMPT_BYTES, [criteria]);
    const started = await withInterrupt((signal) =>
      manager.startBatch(
        caller,
        {
          items,
          models: options.models,
          name: options.name,
          settings: { maxOutputTokens: options.maxOutputTokens, temperature: options.temperature },
          assertions,
          ...(judge !== undefined && { judge: { model: judge, mode, criteria } }),
          lane: options.lane,
          tags: options.tag,
          timeoutMs: options.timeout === undefined ? undefined : options.timeout * 1_000,
          ...(maxCost !== undefined && { maxCostNanoUsd: Math.round(maxCost * 1e9) }),
        },
        {
          signal,
          confirm: async (estimate) => (options.yes === true ? takeLimit(estimate) : confirmCost(estimate, file)),
        },
      ),
    );
    const { batchId, items: count, total, estimatedCostNanoUsd } = started;
    const cost = estimatedCostNanoUsd === null ? 'of unknown cost' : `about ${formatCost(estimatedCostNanoUsd)}`;
    process.stderr.write(
      `Batch ${stderrColours.bold(batchId)} runs: ${formatPlural(count, 'item')}, ${formatPlural(total, 'generation')}, ${cost}.\n`,
    );
    const vendors = new Set(
      started.columns.flatMap(({ column }) => (column.lane === 'queue' ? [] : [column.provider])),
    );
    if (await isDemo(session, started))
      process.stderr.write('Demo: stand-ins answer within seconds, also for batch APIs; no vendor is asked or paid.\n');
    else if (vendors.size > 0)
      process.stderr.write(
        `${[...vendors].join(', ')}: asked through the vendor’s batch API, which may take up to a day.\n`,
      );
    if (options.detach === true) {
      if (options.json === true) return reportBatch(started, options);
      return print(batchId);
    }
    await followBatch(session, started, options);
  });
}

/** Whether what it asks is answered by stand-ins. */
async function isDemo({ manager }: Session, { columns }: BatchView): Promise<boolean> {
  const asked = new Set(columns.map(({ column }) => column.provider));
  return (await manager.listProviders()).some(({ id, demo }) => demo && asked.has(id));
}

async function requireReadable(file: string): Promise<void> {
  try {
    await access(file, constants.R_OK);
  } catch {
    throw new ModelManagerError('invalid_request', `There is no file ${file} that can be read.`);
  }
}

/** Only a person at a terminal is asked. */
async function confirmCost(estimate: BatchEstimate, file: string): Promise<boolean> {
  if (file === '-' || !canAsk()) return false;
  return askToGoOn(`${describeCost(estimate)}. Start it all the same, without a limit?`);
}

/** Who is not asked has not been told either: the limit that was named beside it holds. */
function takeLimit(estimate: BatchEstimate): 'limited' {
  const limit = formatCost(estimate.maxCostNanoUsd);
  process.stderr.write(`${describeCost(estimate)}: it starts, and pauses when it has cost ${limit}.\n`);
  return 'limited';
}

function describeCost({ estimatedNanoUsd, maxCostNanoUsd }: BatchEstimate): string {
  return estimatedNanoUsd === null
    ? 'What it will cost is not known, as the price of a model is not'
    : `It is expected to cost about ${formatCost(estimatedNanoUsd)}, more than ${formatCost(maxCostNanoUsd)}`;
}
