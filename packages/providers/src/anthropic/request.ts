import type { GenerationRequest, ModelInfo, Warning } from '@aimm/contracts';
import type { MessageCreateParamsStreaming, Tool, ToolChoice } from '@anthropic-ai/sdk/resources/messages/messages';
import { askForJson, splitSystem } from '../adapter/conversation.ts';
import { canBeClosed, closeObjects } from '../adapter/json-schema.ts';
import { askForSchema } from '../adapter/schema-in-prompt.ts';
import { type SettingName, toAdjusted, toLeftOut } from '../adapter/setting-warnings.ts';
import { planSettings } from '../adapter/settings-plan.ts';
import { toMessageParams } from './messages.ts';
import { markPromptCache } from './prompt-cache.ts';
import { planThinking } from './thinking.ts';

/** Anthropic demands a limit; for models of which nothing is known this one is in every model's reach. */
const defaultMaxTokens = 4096;

/** Fields that API version 2026-10-21 no longer has, but the older versions, which older models are asked by, do. */
type Body = MessageCreateParamsStreaming & { temperature?: number; top_p?: number; top_k?: number };

export function toMessagesBody(
  provider: string,
  request: GenerationRequest,
  info: ModelInfo | undefined,
): { body: Body; headers: Record<string, string>; warnings: Warning[] } {
  const quirks = info?.quirks ?? {};
  const sampling: SettingName[] = ['temperature', 'topP', 'topK'];
  const plan = planSettings(provider, request, info, {
    unsupported: ['seed', 'presencePenalty', 'frequencyPenalty', ...(quirks.apiVersion === undefined ? sampling : [])],
    efforts: ['none', 'low', 'medium', 'high', 'xhigh', 'max'],
    promptCache: ['off', 'auto', '5m', '1h'],
    serviceTiers: ['auto', 'standard_only'],
  });
  const { warnings } = plan;
  const maxTokens = plan.settings.maxOutputTokens ?? info?.maxOutputTokens ?? defaultMaxTokens;
  const { responseFormat: format, tools } = plan.settings;
  let messages = request.messages;
  if (format?.type === 'json') {
    messages = askForJson(messages, provider, []);
    const message = `${provider} has no JSON mode: the prompt asks for JSON in its place.`;
    warnings.push({ code: 'adjusted_setting', setting: 'responseFormat', message });
  }
  const schema = format?.type === 'json_schema' && canBeClosed(format.schema) ? format.schema : undefined;
  if (format?.type === 'json_schema' && schema === undefined) {
    messages = askForSchema(messages, format.schema);
    const message = `The prompt asks for the schema, since ${provider} takes none whose objects cannot be closed; the answer is checked.`;
    warnings.push({ code: 'adjusted_setting', setting: 'responseFormat', message });
  }
  const { system, turns } = splitSystem(messages);
  const sent = toMessageParams(turns, warnings);
  const { thinking, effort, settings } = planThinking(plan, maxTokens, quirks, sent);
  const { toolChoice } = settings;
  let { temperature } = settings;
  if (temperature !== undefined && settings.topP !== undefined) {
    delete settings.topP;
    warnings.push(toLeftOut('topP', `${provider} takes either it or temperature`));
  }
  if (temperature !== undefined && temperature > 1) {
    temperature = 1;
    warnings.push(toAdjusted('temperature', `is 1, the most that ${provider} takes`));
  }
  const body: Body = {
    model: request.model,
    stream: true,
    max_tokens: maxTokens,
    messages: sent,
    ...(system !== undefined && system.trim() !== '' && { system }),
    ...(temperature !== undefined && { temperature }),
    ...(settings.topP !== undefined && { top_p: settings.topP }),
    ...(settings.topK !== undefined && { top_k: settings.topK }),
    ...(settings.stop !== undefined && { stop_sequences: settings.stop }),
    ...((effort !== undefined || schema !== undefined) && {
      output_config: {
        ...(effort !== undefined && { effort }),
        ...(schema !== undefined && { format: { type: 'json_schema', schema: closeObjects(schema) } }),
      },
    }),
    ...(thinking !== undefined && { thinking }),
    ...(tools !== undefined && { tools: tools.map(toTool) }),
    ...(toolChoice !== undefined && { tool_choice: toToolChoice(toolChoice) }),
    // planSettings left only these two through.
    ...(settings.serviceTier !== undefined && { service_tier: settings.serviceTier as 'auto' | 'standard_only' }),
    ...(settings.userId !== undefined && { metadata: { user_id: settings.userId } }),
  };
  const headers: Record<string, string> =
    quirks.apiVersion === undefined ? {} : { 'anthropic-version': quirks.apiVersion };
  return { body: markPromptCache(body, settings.promptCache), headers, warnings };
}

function toTool({ name, description, parameters }: NonNullable<GenerationRequest['settings']['tools']>[number]): Tool {
  return {
    name,
    ...(description !== undefined && { description }),
    input_schema: { ...parameters, type: 'object' },
  };
}

function toToolChoice(choice: NonNullable<GenerationRequest['settings']['toolChoice']>): ToolChoice {
  if (typeof choice !== 'string') return { type: 'tool', name: choice.name };
  return { type: choice === 'required' ? 'any' : choice };
}
