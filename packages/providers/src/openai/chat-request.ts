import type {
  GenerationRequest,
  JsonObject,
  Message,
  MessagePart,
  ModelInfo,
  ReasoningEffort,
  ToolCallPart,
  Warning,
} from '@aimm/contracts';
import type {
  ChatCompletionContentPart,
  ChatCompletionCreateParamsStreaming,
  ChatCompletionMessageParam,
} from 'openai/resources/chat/completions';
import { toCallId } from '../adapter/call-id.ts';
import { askForJson, leaveOut, resultText, textOf } from '../adapter/conversation.ts';
import { findKept } from '../adapter/kept.ts';
import { closeObjects, isStrictSchema, schemaName } from '../adapter/json-schema.ts';
import { readMedia, toDataUrl } from '../adapter/media.ts';
import { toPromptCacheKey } from '../adapter/prompt-cache-key.ts';
import { planSettings, type WireSupport } from '../adapter/settings-plan.ts';
import { chatKeeper, findExtra, toReasoningFields } from './chat-reasoning.ts';

/** Fields that OpenAI renamed over the years, while compatible servers kept the old ones. */
export interface ChatDialect {
  maxTokensField: 'max_tokens' | 'max_completion_tokens';
  userField: 'user' | 'safety_identifier';
  /** Whether the server knows `store`. */
  storeField: boolean;
  /** Ids of calls that the server takes; absent: any. */
  callIds?: RegExp;
  support: WireSupport;
  /** What `max` is called. */
  topEffort: 'high' | 'xhigh';
}

/** OpenAI's types do not know the keys of its compatible servers. */
type Body = ChatCompletionCreateParamsStreaming & { top_k?: number };

export function toChatBody(
  provider: string,
  request: GenerationRequest,
  info: ModelInfo | undefined,
  dialect: ChatDialect,
): { body: Body; warnings: Warning[] } {
  const { settings, warnings } = planSettings(provider, request, info, dialect.support);
  const { responseFormat: format, tools, toolChoice, reasoningEffort: effort, serviceTier } = settings;
  const messages = format?.type === 'json' ? askForJson(request.messages, provider, warnings) : request.messages;
  const asked = { provider, model: request.model };
  const { callIds } = dialect;
  const writing: Writing = {
    systemRole: info?.quirks?.systemRole ?? 'system',
    findOwn: (call) => findKept(call, chatKeeper, asked, info) ?? {},
    toId: (id) => (callIds === undefined ? id : toCallId(id, callIds)),
    warnings,
  };
  const body: Body = {
    model: request.model,
    stream: true,
    stream_options: { include_usage: true },
    messages: messages.flatMap((message) => toMessages(message, writing)),
    ...(dialect.storeField && { store: false }),
    ...(settings.maxOutputTokens !== undefined && {
      [info?.quirks?.maxTokensField ?? dialect.maxTokensField]: settings.maxOutputTokens,
    }),
    ...(settings.temperature !== undefined && { temperature: settings.temperature }),
    ...(settings.topP !== undefined && { top_p: settings.topP }),
    ...(settings.topK !== undefined && { top_k: settings.topK }),
    ...(settings.stop !== undefined && { stop: settings.stop }),
    ...(settings.seed !== undefined && { seed: settings.seed }),
    ...(settings.presencePenalty !== undefined && { presence_penalty: settings.presencePenalty }),
    ...(settings.frequencyPenalty !== undefined && { frequency_penalty: settings.frequencyPenalty }),
    ...(effort !== undefined && { reasoning_effort: toEffort(effort, dialect) }),
    ...(format !== undefined && { response_format: toResponseFormat(format) }),
    ...(tools !== undefined && {
      tools: tools.map(({ name, description, parameters }) => ({
        type: 'function',
        function: { name, ...(description !== undefined && { description }), parameters },
      })),
    }),
    ...(toolChoice !== undefined && {
      tool_choice:
        typeof toolChoice === 'string' ? toolChoice : { type: 'function', function: { name: toolChoice.name } },
    }),
    // The vendor knows its tiers better than the SDK's types.
    ...(serviceTier !== undefined && { service_tier: serviceTier as 'auto' }),
    ...(settings.promptCache !== undefined && { prompt_cache_key: toPromptCacheKey(request) }),
    ...(settings.userId !== undefined && { [dialect.userField]: settings.userId }),
  };
  return { body, warnings };
}

function toEffort(effort: ReasoningEffort, { topEffort }: ChatDialect) {
  return effort === 'max' ? topEffort : effort;
}

function toResponseFormat(
  format: NonNullable<GenerationRequest['settings']['responseFormat']>,
): NonNullable<Body['response_format']> {
  if (format.type !== 'json_schema') return { type: format.type === 'json' ? 'json_object' : 'text' };
  const schema = closeObjects(format.schema);
  return {
    type: 'json_schema',
    json_schema: { name: schemaName(format.name), schema, strict: isStrictSchema(schema) },
  };
}

/** How the messages of one request are written. */
interface Writing {
  systemRole: 'system' | 'developer';
  /** What the model that is asked kept with a call; empty where that is nothing. */
  findOwn: (call: ToolCallPart) => JsonObject;
  /** An id of a call as the server takes it. */
  toId: (id: string) => string;
  warnings: Warning[];
}

function toMessages(message: Message, writing: Writing): ChatCompletionMessageParam[] {
  switch (message.role) {
    case 'system':
      return [{ role: writing.systemRole, content: textOf(message) }];
    case 'assistant':
      return [toAssistantMessage(message, writing)];
    case 'user':
      return toUserMessages(message.content, writing);
  }
}

function toAssistantMessage(message: Message, { findOwn, toId }: Writing): ChatCompletionMessageParam {
  const calls = message.content.filter((part) => part.type === 'tool_call');
  const text = textOf(message);
  return {
    role: 'assistant',
    content: text === '' && calls.length > 0 ? null : text,
    ...toReasoningFields(calls.map(findOwn)),
    ...(calls.length > 0 && {
      tool_calls: calls.map((call) => ({
        id: toId(call.id),
        type: 'function',
        function: { name: call.name, arguments: JSON.stringify(call.arguments) },
        ...findExtra(findOwn(call)),
      })),
    }),
  };
}

/** Results of tools are messages of their own here, before what the user says to them. */
function toUserMessages(content: readonly MessagePart[], { toId, warnings }: Writing): ChatCompletionMessageParam[] {
  const results = content.filter((part) => part.type === 'tool_result');
  const parts = content.flatMap((part) => toContentPart(part, warnings));
  const onlyText = parts.every((part) => part.type === 'text');
  return [
    ...results.map((part) => ({
      role: 'tool' as const,
      tool_call_id: toId(part.toolCallId),
      content: resultText(part),
    })),
    // Plain text for plain text: not every server takes a list.
    ...(parts.length === 0
      ? []
      : [{ role: 'user' as const, content: onlyText ? parts.map(({ text }) => text).join('') : parts }]),
  ];
}

function toContentPart(part: MessagePart, warnings: Warning[]): ChatCompletionContentPart[] {
  if (part.type === 'text') return [{ type: 'text', text: part.text }];
  if (part.type !== 'image' && part.type !== 'file') return [];
  const media = readMedia(part);
  if (media.at === 'nowhere') {
    return [{ type: 'text', text: leaveOut(`A ${part.type}`, 'it has neither data nor a URL', warnings) }];
  }
  if (part.type === 'image') {
    return [{ type: 'image_url', image_url: { url: media.at === 'url' ? media.url : toDataUrl(media) } }];
  }
  if (media.at === 'url') {
    return [{ type: 'text', text: leaveOut('A file', 'Chat Completions takes no URL of a file', warnings) }];
  }
  return [{ type: 'file', file: { file_data: toDataUrl(media), filename: part.filename ?? 'file' } }];
}
