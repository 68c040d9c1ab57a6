import type { GenerationRequest, GenerationSettings, ModelInfo, ReasoningEffort, Warning } from '@aimm/contracts';
import type { ChatCompletionStreamRequest } from '@mistralai/mistralai/models/components/chatcompletionstreamrequest.js';
import type { ResponseFormat } from '@mistralai/mistralai/models/components/responseformat.js';
import { askForJson } from '../adapter/conversation.ts';
import { canBeClosed, closeObjects, schemaName } from '../adapter/json-schema.ts';
import { toPromptCacheKey } from '../adapter/prompt-cache-key.ts';
import { planSettings } from '../adapter/settings-plan.ts';
import { toChatMessages } from './messages.ts';

/** The request of a `chatStream`, in the SDK's own names. */
export function toChatRequest(
  provider: string,
  request: GenerationRequest,
  info: ModelInfo | undefined,
): { body: ChatCompletionStreamRequest; warnings: Warning[] } {
  const { settings, warnings } = planSettings(provider, request, info, {
    unsupported: ['topK', 'userId'],
    serviceTiers: ['auto', 'standard_only'],
    promptCache: ['off', 'auto'],
  });
  const { responseFormat: format, tools, toolChoice, reasoningEffort: effort, serviceTier } = settings;
  const messages = format?.type === 'json' ? askForJson(request.messages, provider, warnings) : request.messages;
  const body: ChatCompletionStreamRequest = {
    model: request.model,
    messages: toChatMessages(messages, warnings),
    ...(settings.maxOutputTokens !== undefined && { maxTokens: settings.maxOutputTokens }),
    ...(settings.temperature !== undefined && { temperature: settings.temperature }),
    ...(settings.topP !== undefined && { topP: settings.topP }),
    ...(settings.stop !== undefined && { stop: settings.stop }),
    ...(settings.seed !== undefined && { randomSeed: settings.seed }),
    ...(settings.presencePenalty !== undefined && { presencePenalty: settings.presencePenalty }),
    ...(settings.frequencyPenalty !== undefined && { frequencyPenalty: settings.frequencyPenalty }),
    ...(format !== undefined && { responseFormat: toFormat(format) }),
    ...(effort !== undefined && { reasoningEffort: toEffort(effort) }),
    ...(tools !== undefined && {
      tools: tools.map(({ name, description, parameters }) => ({
        type: 'function' as const,
        function: { name, ...(description !== undefined && { description }), parameters },
      })),
    }),
    ...(toolChoice !== undefined && { toolChoice: toChoice(toolChoice) }),
    ...(settings.promptCache === 'auto' && { promptCacheKey: toPromptCacheKey(request) }),
    // planSettings left only these two through.
    ...(serviceTier !== undefined && { serviceTier: serviceTier as 'auto' | 'standard_only' }),
  };
  return { body, warnings };
}

/** The wire's highest word is `xhigh`. */
function toEffort(effort: ReasoningEffort) {
  return effort === 'max' ? 'xhigh' : effort;
}

function toFormat(format: NonNullable<GenerationSettings['responseFormat']>): ResponseFormat {
  if (format.type !== 'json_schema') return { type: format.type === 'json' ? 'json_object' : 'text' };
  const schemaDefinition = closeObjects(format.schema);
  const strict = canBeClosed(format.schema);
  return { type: 'json_schema', jsonSchema: { name: schemaName(format.name), schemaDefinition, strict } };
}

function toChoice(choice: NonNullable<GenerationSettings['toolChoice']>) {
  return typeof choice === 'string' ? choice : { type: 'function' as const, function: { name: choice.name } };
}
