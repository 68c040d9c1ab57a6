import { type BatchView, ModelManagerError } from '@aimm/contracts';
import type { Caller, Manager } from '@aimm/manager';
import { formatCost, formatCount, formatPlural } from '@aimm/runtime/format';
import { askToGoOn, canAsk } from '../../ask-to-go-on.ts';
import { formatTable, print, printJson, toOneLine } from '../../output.ts';
import { withInterrupt } from '../../interrupt.ts';
import { withSession } from '../../session.ts';
import { followBatch, type FollowOptions } from './follow.ts';
import { formatBatch } from './format-batch.ts';

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
  return tell(options, async (manager, caller) => {
    const { batchId, counts } = await manager.getBatch(caller, id);
    const view = await manager.retryBatch(caller, id);
    process.stderr.write(
      counts.failed === 0
        ? 'Nothing of it has failed: nothing is asked again.\n'
        : `What failed is asked again (${formatCount(counts.failed)}); \`aimm batch watch ${batchId}\` follows it.\n`,
    );
    return view;
  });
}

export function addModels(id: string, models: string[], options: Options & { yes?: boolean }): Promise<void> {
  return tell(options, (manager, caller) =>
    withInterrupt((signal) =>
      manager.addBatchModels(
        caller,
        id,
        { models },
        {
          signal,
          confirm: ({ estimatedNanoUsd, maxCostNanoUsd }) => {
            if (options.yes === true) return Promise.resolve(true);
            if (!canAsk()) return Promise.resolve(false);
            return askToGoOn(
              `With it the batch is expected to cost ${estimatedNanoUsd === null ? 'an unknown sum' : formatCost(estimatedNanoUsd)}; it may cost ${formatCost(maxCostNanoUsd)}. Add it all the same?`,
            );
          },
        },
      ),
    ),
  );
}

/** Asks first: nothing of it comes back. @throws invalid_request where nobody can be asked */
export async function remove(id: string, { json, yes }: Options & { yes?: boolean }): Promise<void> {
  const deleted = await withSession(async ({ manager, caller }) => {
    const { batchId, name, items, counts } = await manager.getBatch(caller, id);
    const what = `${batchId}${name === undefined ? '' : ` (${toOneLine(name)})`}`;
    if (yes !== true && !canAsk()) {
      throw new ModelManagerError('invalid_request', `Nobody can be asked whether to delete ${what}.`, {
        hint: 'Nothing was deleted. Say --yes to delete it without being asked.',
      });
    }
    const size = `${formatPlural(items, 'item')} and ${formatPlural(counts.succeeded, 'answer')}`;
    if (yes !== true && !(await askToGoOn(`Delete ${what} with its ${size}? What it cost stays in the statistics.`)))
      return undefined;
    await manager.deleteBatch(caller, batchId);
    return what;
  });
  if (json === true) printJson({ batchId: id, deleted: deleted !== undefined });
  else print(deleted === undefined ? 'Nothing was deleted.' : `Deleted ${deleted}.`);
}

export async function list({ limit, json }: Options & { limit: number }): Promise<void> {
  const { batches } = await withSession(({ manager, caller }) => manager.listBatches(caller, { limit }));
  if (json === true) return printJson(batches);
  if (batches.length === 0) return print('There are no batches; `aimm batch run` starts one.');
  const rows = batches.map(
    ({ batchId, name = '', status: how, counts, total, models, costNanoUsd, demo, createdAt }) => [
      batchId,
      name,
      how,
      `${formatCount(total - counts.waiting - counts.queued)}/${formatCount(total)}`,
      `${formatCost(costNanoUsd)}${demo === true ? ' (demo)' : ''}`,
      new Date(createdAt).toISOString().slice(0, 16).replace('T', ' '),
      models.join(', '),
    ],
  );
  print(formatTable(['Batch', 'Name', 'Status', 'Done', 'Cost', 'Started (UTC)', 'Models'], rows));
}
