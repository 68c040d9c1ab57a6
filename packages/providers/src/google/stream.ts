import type { FinishReason, JsonObject, Usage } from '@aimm/contracts';
import type { GenerateContentResponse, ModalityTokenCount, Part } from '@google/genai';
import { createCallId } from '../adapter/call-id.ts';
import { StreamFault } from '../adapter/stream-fault.ts';
import { sumOf, toUsage } from '../adapter/usage.ts';
import type { CallFacts, ContentPart, EventMapper } from '../adapter/vendor.ts';

/** Chunks of Gemini. The reason to finish may be followed by more chunks; the last counts win. */
export function createContentMapper(): EventMapper<GenerateContentResponse> {
  let reason: string | undefined;
  /** Why the prompt was not answered at all: some of its words mean something else where an answer ends. */
  let blocked: string | undefined;
  let called = false;
  let known: CallFacts = {};

  function mapPart(part: Part): ContentPart[] {
    const { functionCall: call, text } = part;
    if (call?.name !== undefined) {
      called = true;
      const signature = part.thoughtSignature;
      return [
        {
          type: 'tool_call',
          call: {
            type: 'tool_call',
            id: call.id || createCallId(),
            name: call.name,
            arguments: (call.args ?? {}) as JsonObject, // parsed from JSON by the SDK
            ...(signature !== undefined && { vendor: { google: { thoughtSignature: signature } } }),
          },
        },
      ];
    }
    if (part.inlineData !== undefined) {
      const message = `An answer of type ${part.inlineData.mimeType ?? 'unknown'} was left out: only text is passed on.`;
      return [{ type: 'warning', warning: { code: 'other', message } }];
    }
    if (text === undefined || text === '') return [];
    return [part.thought === true ? { type: 'reasoning', text } : { type: 'text', text }];
  }

  return {
    map(chunk) {
      const { modelVersion, responseId, usageMetadata } = chunk;
      const serviceTier = findServiceTier(chunk);
      known = {
        ...known,
        ...(modelVersion && { answeredBy: modelVersion }),
        ...(responseId && { vendorRequestId: responseId }),
        ...(serviceTier !== undefined && { serviceTier }),
        ...(usageMetadata !== undefined && { usage: toContentUsage(usageMetadata) }),
      };
      const candidate = chunk.candidates?.[0];
      // Read part by part: the SDK's own `text` writes to the console.
      const parts = (candidate?.content?.parts ?? []).flatMap(mapPart);
      const ended = candidate?.finishReason;
      // Thrown before it counts as an end: no failure is an answer. A call beside it is one.
      if (!called && ended !== undefined && botched.has(ended))
        throw new StreamFault({ code: 'server_error', message: `finish reason ${ended}` });
      reason = ended ?? reason;
      blocked = chunk.promptFeedback?.blockReason ?? blocked;
      return parts;
    },
    facts: () => known,
    finish() {
      if (reason !== undefined) return toFinishReason(reason, called);
      return blocked === undefined ? undefined : { unified: 'content_filter', raw: blocked };
    },
  };
}

/** Ends of what the model wrote wrongly; asked again it mostly writes it well. */
const botched: ReadonlySet<string> = new Set(['MALFORMED_FUNCTION_CALL', 'MALFORMED_RESPONSE']);

const reasons: Record<string, FinishReason['unified']> = {
  STOP: 'stop',
  // Not Google's own, but what servers that stand in for it say.
  FUNCTION_CALL: 'tool_calls',
  MAX_TOKENS: 'length',
  SAFETY: 'content_filter',
  RECITATION: 'content_filter',
  BLOCKLIST: 'content_filter',
  PROHIBITED_CONTENT: 'content_filter',
  SPII: 'content_filter',
  IMAGE_SAFETY: 'content_filter',
  IMAGE_PROHIBITED_CONTENT: 'content_filter',
  IMAGE_RECITATION: 'content_filter',
  MODEL_ARMOR: 'content_filter',
  JAILBREAK: 'content_filter',
  MALFORMED_FUNCTION_CALL: 'error',
  MALFORMED_RESPONSE: 'error',
  UNEXPECTED_TOOL_CALL: 'error',
  TOO_MANY_TOOL_CALLS: 'error',
};

function toFinishReason(raw: string, called: boolean): FinishReason {
  if (raw === 'STOP' && called) return { unified: 'tool_calls', raw };
  return { unified: reasons[raw] ?? 'other', raw };
}

/** In a header of the answer, or among its counts. */
function findServiceTier({ sdkHttpResponse, usageMetadata }: GenerateContentResponse): string | undefined {
  const counted = usageMetadata !== undefined && 'serviceTier' in usageMetadata ? usageMetadata.serviceTier : undefined;
  const tier = sdkHttpResponse?.headers?.['x-gemini-service-tier'] ?? counted;
  return typeof tier === 'string' && tier !== '' ? tier.toLowerCase().replace(/^service_tier_/, '') : undefined;
}

/** Gemini's candidates leave thoughts out, and zero counts are not sent. */
function toContentUsage(usage: NonNullable<GenerateContentResponse['usageMetadata']>): Usage {
  return toUsage({
    input: sumOf(usage.promptTokenCount, usage.toolUsePromptTokenCount),
    output: sumOf(usage.candidatesTokenCount, usage.thoughtsTokenCount),
    cacheRead: usage.cachedContentTokenCount,
    reasoning: usage.thoughtsTokenCount,
    audio: sumOf(findAudio(usage.promptTokensDetails), findAudio(usage.toolUsePromptTokensDetails)),
    audioCacheRead: findAudio(usage.cacheTokensDetails),
  });
}

function findAudio(details: readonly ModalityTokenCount[] | undefined): number | undefined {
  return details?.find(({ modality }) => modality === 'AUDIO')?.tokenCount;
}
