import type { Catalog, TokenEstimator } from '@aimm/catalog';
import type { GeneratePayload } from '@aimm/contracts';
import type { Budgets, Cooldowns, JobContext, KeyLeases, Producer, Requests } from '@aimm/queue';
import type { AdmissionNeeds } from '../admission-need.ts';
import type { BatchRecorder } from '../batch/batch-recorder.ts';
import { type CallLog, createCallLog } from '../call-log.ts';
import type { CallMetrics } from '../call-metrics.ts';
import { fitConversation } from '../fit-conversation.ts';
import { cutOff } from '../generation-errors.ts';
import type { KeyRing, ProviderKey } from '../key-ring.ts';
import type { LedgerWriter } from '../ledger-writer.ts';
import type { PaceKeeper } from '../pace-keeper.ts';
import type { ProviderSet } from '../provider-set.ts';
import type { TurnWriter } from '../turn-writer.ts';
import { createWayIn, type WayIn } from './way-in.ts';

export interface GenerateDependencies {
  providers: ProviderSet;
  catalog: Catalog;
  tokens: TokenEstimator;
  ledger: LedgerWriter;
  turns: TurnWriter;
  /** Where a batch's generations end. */
  batches: Pick<BatchRecorder, 'record'>;
  producer: Pick<Producer, 'addGeneration'>;
  requests: Pick<Requests, 'find'>;
  budgets: Pick<Budgets, 'reopen'>;
  cooldowns: Cooldowns;
  needs: AdmissionNeeds;
  pace: PaceKeeper;
  metrics: CallMetrics;
  keyLeases: KeyLeases;
}

/** One run of a generation's job: what it was given, and what it knows by now. */
export interface GenerationRun {
  readonly payload: GeneratePayload;
  readonly context: JobContext;
  readonly dependencies: GenerateDependencies;
  /** The payload with what this model is asked of the conversation. */
  readonly fitted: GeneratePayload;
  /** Epoch milliseconds after which no call starts. */
  readonly latest: number;
  /** The provider's keys; absent where this worker does not know the provider. */
  readonly ring: KeyRing | undefined;
  readonly demo: boolean;
  readonly log: CallLog;
  readonly way: WayIn;
  /** Keys that the provider refused in this run. */
  readonly refused: Set<ProviderKey>;
  /** Whoever waits may have read text of it. */
  sentText: boolean;
  /** What was kept with earlier tool calls was refused, and is left out from now on. */
  keptRefused: boolean;
}

export function createGenerationRun(
  payload: GeneratePayload,
  context: JobContext,
  dependencies: GenerateDependencies,
): GenerationRun {
  const { providers, metrics } = dependencies;
  const fitted = fitConversation(payload, dependencies);
  const demo = providers.isDemo();
  return {
    payload,
    context,
    dependencies,
    fitted,
    latest: Math.min(payload.deadlineAt, payload.startBy ?? Number.POSITIVE_INFINITY),
    ring: providers.find(payload.provider),
    demo,
    log: createCallLog(payload, {
      stalledCount: context.stalledCount,
      demo,
      now: context.now,
      onEnd: (row) => metrics.ended(row),
    }),
    way: createWayIn(fitted, context, dependencies),
    refused: new Set(),
    sentText: false,
    keptRefused: false,
  };
}

/** Whoever waits may have text of the call that was cut off; its worker cannot take it back any more. */
export function takeBackCutOff({ payload, context, log }: GenerationRun): void {
  const { provider, request } = payload;
  const reason = cutOff(`${provider}/${request.model}`, provider).toShape();
  context.reply(log.current().number, { type: 'reset', reason });
}
