import type { ComparePayload, GeneratePayload, RequestRecord } from '@aimm/contracts';
import { generationJobId } from './generation-jobs.ts';
import { modelOf, queueOf } from './names.ts';

/** What is remembered of a generation, and of one that waits for another's call. */
export function generationRecord(payload: GeneratePayload): RequestRecord {
  return {
    requestId: payload.requestId,
    kind: 'generation',
    client: payload.client,
    createdAt: payload.enqueuedAt,
    queue: queueOf('generate', payload.provider),
    jobId: generationJobId(payload),
    deadlineAt: payload.deadlineAt,
    ...(payload.startBy !== undefined && { startBy: payload.startBy }),
    model: modelOf(payload),
    ...(payload.pool !== undefined && { pool: payload.pool }),
    ...(payload.budget !== undefined && { budget: payload.budget }),
    ...(payload.flight !== undefined && { flight: payload.flight }),
    ...(payload.conversation !== undefined && { conversationId: payload.conversation.id }),
  };
}

export function comparisonRecord(payload: ComparePayload): RequestRecord {
  return {
    requestId: payload.requestId,
    kind: 'comparison',
    client: payload.client,
    createdAt: payload.enqueuedAt,
    queue: queueOf('compare'),
    jobId: payload.requestId,
    deadlineAt: payload.deadlineAt,
    children: payload.children.map((child) => ({
      requestId: child.requestId,
      queue: queueOf('generate', child.provider),
      model: `${child.provider}/${child.model}`,
    })),
  };
}
