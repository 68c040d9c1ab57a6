import type { BatchView } from '@aimm/contracts';
import type { Caller, Manager } from '@aimm/manager';
import { formatCost, formatCount } from '@aimm/runtime/format';
import { formatTable, print, printJson } from '../../output.ts';
import { withSession } from '../../session.ts';
import { followBatch, type FollowOptions } from './follow.ts';
import { formatBatch } from './format-batch.ts';
import { askOnTerminal } from './run.ts';

interface Options {
  json?: boolean;
}

async function tell(options: Options, work: (manager: Manager, caller: Caller) => Promise<BatchView>): Promise<void> {
  const view = await withSession(({ manager, caller }) => work(manager, caller));
  if (options.json === true) printJson(view);
  else print(formatBatch(view));
}

export function status(id: string, options: Options): Promise<void> {
  return tell(options, (manager, caller) => manager.getBatch(caller, id));
}

export function watch(id: string, options: FollowOptions): Promise<void> {
  return withSession(async (session) =>
    followBatch(session, await session.manager.getBatch(session.caller, id), options),
  );
}

export function pause(id: string, options: Options): Promise<void> {
  return tell(options, (manager, caller) => manager.pauseBatch(caller, id));
}

export function resume(id: string, options: Options & { maxCost?: number }): Promise<void> {
  const { maxCost } = options;
  const change = maxCost === undefined ? {} : { maxCostNanoUsd: Math.round(maxCost * 1e9) };
  return tell(options, (manager, caller) => manager.resumeBatch(caller, id, change));
}

export function cancel(id: string, options: Options): Promise<void> {
  return tell(options, (manager, caller) => manager.cancelBatch(caller, id));
}

export function retry(id: string, options: Options): Promise<void> {
  return tell(options, (manager, caller) => manager.retryBatch(caller, id));
}

export function addModels(id: string, models: string[], options: Options & { yes?: boolean }): Promise<void> {
  return tell(options, (manager, caller) =>
    manager.addBatchModels(
      caller,
      id,
      { models },
      {
        confirm: ({ estimatedNanoUsd, maxCostNanoUsd }) => {
          if (options.yes === true) return Promise.resolve(true);
          if (process.stdin.isTTY !== true) return Promise.resolve(false);
          return askOnTerminal(
            `With it the batch is expected to cost ${estimatedNanoUsd === null ? 'an unknown sum' : formatCost(estimatedNanoUsd)}; it may cost ${formatCost(maxCostNanoUsd)}. Add it all the same?`,
          );
        },
      },
    ),
  );
}

export async function list({ limit, json }: Options & { limit: number }): Promise<void> {
  const { batches } = await withSession(({ manager, caller }) => manager.listBatches(caller, { limit }));
  if (json === true) return printJson(batches);
  if (batches.length === 0) return print('There are no batches; `aimm batch run` starts one.');
  const rows = batches.map(({ batchId, name = '', status: how, counts, total, models, costNanoUsd, createdAt }) => [
    batchId,
    name,
    how,
    `${formatCount(total - counts.waiting - counts.queued)}/${formatCount(total)}`,
    formatCost(costNanoUsd),
    new Date(createdAt).toISOString().slice(0, 16).replace('T', ' '),
    models.join(', '),
  ]);
  print(formatTable(['Batch', 'Name', 'Status', 'Done', 'Cost', 'Started (UTC)', 'Models'], rows));
}
