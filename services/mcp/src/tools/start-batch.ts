import { isAbsolute } from 'node:path';
import type * as Batch from '@aimm/batch';
import { requireRequestSize, toSettings } from '@aimm/batch/input';
import { type BatchItem, BatchLane, JudgeMode, ModelManagerError } from '@aimm/contracts';
import * as z from 'zod';
import { cancelledByClient, defineTool, type ToolContext } from '../define-tool.ts';
import { createFollower, endWithin } from '../follow.ts';
import { batchFields, formatBatch, toBatchOutput } from '../format/batch.ts';
import { limitFields, ModelNameInput, settingFields } from '../input/ask-fields.ts';
import { toMs } from '../input/to-ask.ts';

const { images: _images, tools: _tools, tool_choice: _toolChoice, ...usualSettings } = settingFields;
const { max_wait_seconds: _maxWait, ...batchLimits } = limitFields;
/** More comes as a file. */
const mostItems = 10_000;
const looseObject = z.looseObject({});

const Input = z
  .strictObject({
    prompts: z.array(z.string().min(1)).min(1).max(mostItems).optional().describe('Give prompts, items or file.'),
    items: z
      .array(looseObject)
      .min(1)
      .max(mostItems)
      .optional()
      .describe('Each {"prompt": …} or {"messages": […]}, and as wanted id, vars, assert and settings of its own.'),
    file: z
      .string()
      .min(1)
      .optional()
      .describe(
        'Absolute path of a .jsonl (lines as items), .csv or .json file; only where this server runs beside you.',
      ),
    template: z.string().min(1).optional().describe('The prompt of every row, with {{name}} for its variables.'),
    models: z
      .array(ModelNameInput)
      .min(1)
      .max(20)
      .describe('1 to 20 models: every item is asked of each. model@batch: by lane provider_batch.'),
    ...usualSettings,
    assertions: z
      .array(z.union([z.string(), looseObject]))
      .max(50)
      .optional()
      .describe('What each answer is held against: "contains: x", {"type": "regex", "pattern": …}, json_schema, …'),
    judge: ModelNameInput.optional().describe('A model that judges the answers.'),
    criteria: z.string().min(1).optional(),
    judge_mode: JudgeMode.optional().describe('Default scores.'),
    max_cost_usd: z
      .number()
      .positive()
      .max(1e6)
      .optional()
      .describe('Refused where it is expected to cost more; pauses when it has cost as much.'),
    name: z.string().min(1).max(200).optional(),
    lane: BatchLane.optional().describe(
      'Default queue. provider_batch: the vendor’s batch API, half price, within a day; openai, anthropic, google, mistral.',
    ),
    wait_seconds: z.number().min(0).max(3600).optional().describe('Wait for the end so long; default 0.'),
    ...batchLimits,
  })
  .superRefine((input, ctx) => {
    const given = [input.prompts, input.items, input.file].filter((one) => one !== undefined);
    if (given.length !== 1)
      ctx.addIssue({ code: 'custom', path: ['prompts'], message: 'give one of prompts, items and file' });
    if (input.judge === undefined && (input.criteria !== undefined || input.judge_mode !== undefined))
      ctx.addIssue({ code: 'custom', path: ['judge'], message: 'needed by criteria and judge_mode' });
  });

export const startBatch = defineTool({
  name: 'start_batch',
  title: 'Start a batch',
  description:
    'Asks many prompts of one or several models in the background, behind interactive requests, with cost estimated first; assertions and a judge compare the answers. Survives restarts. get_job reads progress, a summary per model and results by pages; cancel_job ends it.',
  input: Input,
  output: z.object(batchFields),
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
  scopes: ['generate'],
  steps: () => 'later',
  async run(input, context) {
    const { judge, criteria, judge_mode: mode, max_cost_usd: maxCost } = input;
    // Here, not at the top: reading files is most of what there is to load, and lists need none of it.
    const reading = await import('@aimm/batch');
    // They are sent with every verdict.
    requireRequestSize({ messages: [], settings: {} }, context.maxPromptBytes, [criteria]);
    const assertions = (input.assertions ?? []).map(reading.parseAssertion);
    const items = readItems(reading, input, context);
    const manager = await context.manager();
    if (context.cancelled.aborted) throw cancelledByClient();
    const started = await manager.startBatch(
      context.caller,
      {
        items,
        models: input.models,
        settings: toSettings(input),
        assertions,
        ...(judge !== undefined && { judge: { model: judge, mode, criteria } }),
        name: input.name,
        lane: input.lane,
        tags: input.tags,
        timeoutMs: toMs(input.timeout_seconds),
        ...(maxCost !== undefined && { maxCostNanoUsd: Math.round(maxCost * 1e9) }),
      },
      { signal: context.cancelled },
    );
    // A task is waited for by its client.
    const waitMs = context.tasks === undefined ? (toMs(input.wait_seconds) ?? 0) : 0;
    const view =
      (await follow(started.batchId, waitMs, context).catch((error: unknown) => {
        // It runs: who is not told its id starts it again, and pays twice.
        context.logger.debug({ err: error, jobId: started.batchId }, 'A batch could not be followed');
      })) ?? started;
    return { text: formatBatch(view), structured: toBatchOutput(view), goesOn: view.batchId };
  },
});

type BatchInput = z.output<typeof Input>;

function readItems(
  { parseBatchFile, openWhenRead }: typeof Batch,
  input: BatchInput,
  { mayReadFiles, maxPromptBytes }: ToolContext,
): AsyncIterable<BatchItem> {
  const options = { template: input.template, system: input.system, maxPromptBytes };
  if (input.file !== undefined) {
    requireFile(input.file, mayReadFiles);
    return parseBatchFile({ name: input.file, content: openWhenRead(input.file) }, options);
  }
  const items = input.items ?? (input.prompts ?? []).map((prompt) => ({ prompt }));
  const content = toAsync([JSON.stringify(items)]);
  return parseBatchFile({ name: input.items === undefined ? 'prompts' : 'items', format: 'json', content }, options);
}

function requireFile(path: string, mayReadFiles: boolean): void {
  if (!mayReadFiles) {
    throw new ModelManagerError('invalid_request', 'file: this server does not read files of the machine it runs on.', {
      hint: 'Give the prompts as items, or start the batch there with `aimm batch run`. Files are read over stdio, beside the local stack.',
    });
  }
  if (isAbsolute(path)) return;
  throw new ModelManagerError('invalid_request', 'file: expected an absolute path.');
}

async function* toAsync<T>(values: readonly T[]): AsyncGenerator<T> {
  yield* values;
}

/** Waits as long as the client does; the batch goes on all the same. */
async function follow(batchId: string, askedMs: number, context: ToolContext) {
  if (askedMs === 0) return undefined;
  const patienceMs = context.progress === undefined ? Math.max(0, context.handBackAt - Date.now()) : Infinity;
  const manager = await context.manager();
  const { onProgress } = createFollower(context.progress, 'batch');
  const waitMs = Math.min(askedMs, patienceMs);
  const reading = manager.getJob(context.caller, batchId, { waitMs, limit: 1, onProgress, signal: context.gone });
  const job = await endWithin(reading, undefined, undefined, context.gone);
  return job?.batch;
}
