import type { BatchItem, BatchPlace, GeneratePayload, Message } from '@aimm/contracts';
import type { StoredBatch, StoredColumn, TakenGeneration } from '@aimm/database';
import { toVerdictMessages } from './batch-judging.ts';

/** A batch is not waited for: what it asks may wait for a provider that is away until the day is over. */
const deadlineMs = 24 * 3_600_000;

/** The job that asks one item of one column. `now`: epoch milliseconds by the clock of deadlines. */
export function toBatchPayload(
  { id, client, spec }: StoredBatch,
  column: StoredColumn,
  { item, requestId, content, answers }: Omit<TakenGeneration, 'bytes'>,
  now: number,
): GeneratePayload {
  const { provider, model, template } = column;
  const judge = column.judges === undefined ? undefined : spec.judge;
  return {
    requestId,
    client,
    ...(spec.clientLimits !== undefined && { clientLimits: spec.clientLimits }),
    // The programs of a local user have one name: each batch takes turns of its own.
    ...(client === 'local' && { share: id }),
    tags: spec.tags,
    lane: 'batch',
    enqueuedAt: now,
    deadlineAt: now + deadlineMs,
    provider,
    request:
      judge === undefined
        ? {
            model,
            messages: withSystem(content.messages, template.system),
            settings: { ...template.settings, ...content.settings },
          }
        : { model, messages: toVerdictMessages(judge, content.messages, answers), settings: template.settings },
    attempts: template.attempts,
    ...(template.contextWindow !== undefined && { contextWindow: template.contextWindow }),
    ...(template.alias !== undefined && { alias: template.alias }),
    parentId: id,
    batch: toBatchPlace({ id, spec }, column, item, content),
    timeoutMs: template.timeoutMs,
    stream: false,
    quiet: true,
    onUnknownOutcome: 'retry',
    warnings: template.warnings,
  };
}

/** A judge's verdict is held against nothing. */
export function toBatchPlace(
  { id, spec }: Pick<StoredBatch, 'id' | 'spec'>,
  { number, judges }: Pick<StoredColumn, 'number' | 'judges'>,
  item: number,
  { assertions: own = [] }: Pick<BatchItem, 'assertions'>,
): BatchPlace {
  const place = { id, item, column: number };
  if (judges !== undefined) return { ...place, ...(spec.judge !== undefined && { judge: spec.judge.mode }) };
  const assertions = [...spec.assertions, ...own];
  return { ...place, ...(assertions.length > 0 && { assertions }) };
}

function withSystem(messages: Message[], system: string | undefined): Message[] {
  if (system === undefined || messages.some(({ role }) => role === 'system')) return messages;
  return [{ role: 'system', content: [{ type: 'text', text: system }] }, ...messages];
}
