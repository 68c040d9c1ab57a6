import type { GenerationRequest, GenerationSettings, ModelInfo, ReasoningEffort, Warning } from '@aimm/contracts';
import type { ChatRequest, Options, Tool } from 'ollama';
import { askForJson } from '../adapter/conversation.ts';
import { toLeftOut } from '../adapter/setting-warnings.ts';
import { planSettings } from '../adapter/settings-plan.ts';
import { toMessages } from './messages.ts';

/** What the server takes and the SDK's types do not know. */
type Body = ChatRequest & { stream: true; truncate: false; shift: false };

export function toChatRequest(
  provider: string,
  request: GenerationRequest,
  info: ModelInfo | undefined,
  keepAlive?: string | number,
): { body: Body; warnings: Warning[] } {
  const style = info?.quirks?.reasoningStyle ?? 'switch';
  const { settings, warnings } = planSettings(provider, request, info, {
    unsupported: ['userId', 'serviceTier'],
    ...(style !== 'switch' && { efforts: ['none', 'low', 'medium', 'high'] }),
  });
  const { responseFormat: format, toolChoice, reasoningEffort: effort } = settings;
  if (toolChoice !== undefined && toolChoice !== 'auto' && toolChoice !== 'none') {
    warnings.push(toLeftOut('toolChoice', `${provider} cannot be made to call a tool`));
  }
  const tools = toolChoice === 'none' ? undefined : settings.tools;
  const messages = format?.type === 'json' ? askForJson(request.messages, provider, warnings) : request.messages;
  const body: Body = {
    model: request.model,
    stream: true,
    // Else the server forgets the oldest messages without a word.
    truncate: false,
    shift: false,
    messages: toMessages(messages, warnings),
    options: toOptions(settings),
    ...(keepAlive !== undefined && { keep_alive: keepAlive }),
    ...(format?.type === 'json' && { format: 'json' }),
    ...(format?.type === 'json_schema' && { format: format.schema }),
    ...(effort !== undefined && { think: toThink(effort, style) }),
    ...(tools !== undefined && { tools: tools.map(toTool) }),
  };
  return { body, warnings };
}

function toOptions(settings: GenerationSettings): Partial<Options> {
  return {
    ...(settings.maxOutputTokens !== undefined && { num_predict: settings.maxOutputTokens }),
    ...(settings.temperature !== undefined && { temperature: settings.temperature }),
    ...(settings.topP !== undefined && { top_p: settings.topP }),
    ...(settings.topK !== undefined && { top_k: settings.topK }),
    ...(settings.stop !== undefined && { stop: settings.stop }),
    ...(settings.seed !== undefined && { seed: settings.seed }),
    ...(settings.presencePenalty !== undefined && { presence_penalty: settings.presencePenalty }),
    ...(settings.frequencyPenalty !== undefined && { frequency_penalty: settings.frequencyPenalty }),
  };
}

function toThink(effort: ReasoningEffort, style: string): boolean | 'low' | 'medium' | 'high' {
  if (effort === 'none') return false;
  if (style === 'switch') return true;
  // planSettings left only the three through.
  return effort === 'low' || effort === 'medium' ? effort : 'high';
}

function toTool({ name, description, parameters }: NonNullable<GenerationSettings['tools']>[number]): Tool {
  // A JSON Schema, of which the SDK's type knows a part.
  const schema = parameters as NonNullable<Tool['function']['parameters']>;
  return {
    type: 'function',
    function: { name, ...(description !== undefined && { description }), parameters: schema },
  };
}
