import {
  type FinishReason,
  type GenerationRequest,
  type ModelManagerError,
  toModelManagerError,
  type ToolCallPart,
  type Usage,
  type Warning,
} from '@aimm/contracts';
import type { CallOptions, ModelProvider, ServedBy } from '@aimm/providers';

/** What one call brought, whole or broken off. Times in milliseconds. */
export interface CallReport {
  text: string;
  reasoning: string;
  toolCalls: ToolCallPart[];
  warnings: Warning[];
  /** The last counts that arrived; a broken call may have none. */
  usage: Usage | undefined;
  /** Whether `usage` counts all that came: false for what came after the last counts. */
  isCounted: boolean;
  finishReason?: FinishReason;
  answeredBy?: string;
  serviceTier?: string;
  firstTokenMs?: number;
  providerMs: number;
  /** Why the call broke; absent when it finished. */
  error?: ModelManagerError;
}

export interface MakeCallOptions {
  signal: AbortSignal;
  timeoutMs: number;
  onText: (text: string, soFar: string) => void;
  onReasoning: (text: string) => void;
  onResponse?: CallOptions['onResponse'];
}

/** Makes one call and reports how it went. Never throws: a failure is part of the report. */
export async function makeCall(
  provider: ModelProvider,
  request: GenerationRequest,
  options: MakeCallOptions,
): Promise<CallReport> {
  const startedAt = performance.now();
  const elapsed = () => Math.round(performance.now() - startedAt);
  const report: CallReport = {
    text: '',
    reasoning: '',
    toolCalls: [],
    warnings: [],
    usage: undefined,
    isCounted: true,
    providerMs: 0,
  };

  try {
    const { signal, timeoutMs, onResponse } = options;
    for await (const part of provider.stream(request, { signal, timeoutMs, ...(onResponse && { onResponse }) })) {
      if (part.type === 'text' || part.type === 'reasoning' || part.type === 'tool_call') {
        report.firstTokenMs ??= elapsed();
        report.isCounted = false;
      }
      switch (part.type) {
        case 'text':
          report.text += part.text;
          options.onText(part.text, report.text);
          break;
        case 'reasoning':
          report.reasoning += part.text;
          options.onReasoning(part.text);
          break;
        case 'tool_call':
          report.toolCalls.push(part.call);
          break;
        case 'warning':
          report.warnings.push(part.warning);
          break;
        case 'usage':
          report.usage = part.usage;
          report.isCounted = true;
          break;
        case 'served':
          noteServed(report, part);
          break;
        case 'finish':
          report.usage = part.usage;
          report.isCounted = true;
          report.finishReason = part.finishReason;
          noteServed(report, part);
          break;
      }
    }
  } catch (error) {
    report.error = toModelManagerError(error);
  }
  report.providerMs = elapsed();
  return report;
}

function noteServed(report: CallReport, { answeredBy, serviceTier }: ServedBy): void {
  if (answeredBy !== undefined) report.answeredBy = answeredBy;
  if (serviceTier !== undefined) report.serviceTier = serviceTier;
}
