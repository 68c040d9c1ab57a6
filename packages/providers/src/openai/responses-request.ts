import type {
  GenerationRequest,
  Message,
  ModelInfo,
  ModelQuirks,
  ReasoningEffort,
  ToolCallPart,
  Warning,
} from '@aimm/contracts';
import type {
  ResponseCreateParamsStreaming,
  ResponseInputContent,
  ResponseInputItem,
} from 'openai/resources/responses/responses';
import { toCallId } from '../adapter/call-id.ts';
import { askForJson, leaveOut, resultText, textOf } from '../adapter/conversation.ts';
import { findKept } from '../adapter/kept.ts';
import { closeObjects, isStrictSchema, schemaName } from '../adapter/json-schema.ts';
import { readMedia, toDataUrl } from '../adapter/media.ts';
import { toPromptCacheKey } from '../adapter/prompt-cache-key.ts';
import { toAdjusted } from '../adapter/setting-warnings.ts';
import { planSettings } from '../adapter/settings-plan.ts';
import { responsesKeeper } from './responses-stream.ts';

/** The Responses API refuses a lower limit of tokens. */
const leastOutputTokens = 16;
const callIds = /^[^]{1,64}$/;

/** The body of a Responses call, stateless: nothing is stored at OpenAI. */
export function toResponsesBody(
  provider: string,
  request: GenerationRequest,
  info: ModelInfo | undefined,
): { body: ResponseCreateParamsStreaming; warnings: Warning[] } {
  const { settings, warnings } = planSettings(provider, request, info, {
    unsupported: ['topK', 'stop', 'seed', 'presencePenalty', 'frequencyPenalty'],
    promptCache: ['auto'],
  });
  const { responseFormat: format, tools, toolChoice, reasoningEffort, serviceTier } = settings;
  let { maxOutputTokens } = settings;
  if (maxOutputTokens !== undefined && maxOutputTokens < leastOutputTokens) {
    maxOutputTokens = leastOutputTokens;
    const how = `is ${leastOutputTokens}, the least that ${provider}/${request.model} takes`;
    warnings.push(toAdjusted('maxOutputTokens', how));
  }
  const { messages } = request;
  const firstTurn = messages.findIndex(({ role }) => role !== 'system');
  const leading = messages.slice(0, firstTurn === -1 ? messages.length : firstTurn);
  const turns = messages.slice(leading.length);
  // OpenAI looks for the word in `input` only, whatever the instructions say.
  const input = format?.type === 'json' ? askForJson(turns, provider, warnings) : turns;
  // Reasoning models lose their thread between tool calls unless they get their own reasoning back.
  const keepsReasoning = tools !== undefined && info?.capabilities?.includes('reasoning') === true;
  const findReasoning: FindReasoning = (call) =>
    findKept(call, responsesKeeper, { provider, model: request.model }, info)?.['reasoning'];
  const body: ResponseCreateParamsStreaming = {
    model: request.model,
    stream: true,
    store: false,
    input: input.flatMap((message) => toItems(message, findReasoning, warnings)),
    ...(leading.length > 0 && { instructions: leading.map(textOf).join('\n\n') }),
    ...(maxOutputTokens !== undefined && { max_output_tokens: maxOutputTokens }),
    ...(settings.temperature !== undefined && { temperature: settings.temperature }),
    ...(settings.topP !== undefined && { top_p: settings.topP }),
    ...toReasoning(reasoningEffort, info?.quirks?.reasoningSummary),
    ...(keepsReasoning && { include: ['reasoning.encrypted_content'] }),
    ...(format !== undefined && { text: { format: toTextFormat(format) } }),
    ...(tools !== undefined && {
      tools: tools.map(({ name, description, parameters }) => ({
        type: 'function',
        name,
        ...(description !== undefined && { description }),
        parameters,
        strict: false,
      })),
    }),
    ...(toolChoice !== undefined && {
      tool_choice: typeof toolChoice === 'string' ? toolChoice : { type: 'function', name: toolChoice.name },
    }),
    // The vendor knows its tiers better than the SDK's types.
    ...(serviceTier !== undefined && { service_tier: serviceTier as 'auto' }),
    ...(settings.promptCache !== undefined && { prompt_cache_key: toPromptCacheKey(request) }),
    ...(settings.userId !== undefined && { safety_identifier: settings.userId }),
  };
  return { body, warnings };
}

/** A summary is asked for whenever the model may reason, with an effort of its own choice too. */
function toReasoning(
  effort: ReasoningEffort | undefined,
  summary: ModelQuirks['reasoningSummary'],
): Pick<ResponseCreateParamsStreaming, 'reasoning'> {
  const shown = summary !== undefined && effort !== 'none';
  if (effort === undefined && !shown) return {};
  return { reasoning: { ...(effort !== undefined && { effort }), ...(shown && { summary }) } };
}

type TextFormat = NonNullable<NonNullable<ResponseCreateParamsStreaming['text']>['format']>;

function toTextFormat(format: NonNullable<GenerationRequest['settings']['responseFormat']>): TextFormat {
  if (format.type !== 'json_schema') return { type: format.type === 'json' ? 'json_object' : 'text' };
  const schema = closeObjects(format.schema);
  return { type: 'json_schema', name: schemaName(format.name), schema, strict: isStrictSchema(schema) };
}

/** What the model that is asked kept with a call. */
type FindReasoning = (call: ToolCallPart) => unknown;

function toItems(message: Message, findReasoning: FindReasoning, warnings: Warning[]): ResponseInputItem[] {
  if (message.role === 'system') return [{ role: 'developer', content: textOf(message) }];
  const items: ResponseInputItem[] = [];
  let content: ResponseInputContent[] = [];
  const flush = () => {
    if (content.length > 0) items.push({ role: 'user', content });
    content = [];
  };
  for (const part of message.content) {
    switch (part.type) {
      case 'text':
        if (message.role === 'assistant') items.push({ role: 'assistant', content: part.text });
        else content.push({ type: 'input_text', text: part.text });
        break;
      case 'image':
      case 'file':
        content.push(toMediaContent(part, warnings));
        break;
      case 'tool_result':
        flush();
        items.push({
          type: 'function_call_output',
          call_id: toCallId(part.toolCallId, callIds),
          output: resultText(part),
        });
        break;
      case 'tool_call': {
        const kept = findReasoning(part);
        // Our own record of the items that the Responses API gave with this call.
        if (Array.isArray(kept)) items.push(...(kept as unknown as ResponseInputItem[]));
        const id = toCallId(part.id, callIds);
        const text = JSON.stringify(part.arguments);
        items.push({ type: 'function_call', call_id: id, name: part.name, arguments: text });
        break;
      }
      case 'reasoning':
        break;
    }
  }
  flush();
  return items;
}

function toMediaContent(
  part: Extract<Message['content'][number], { type: 'image' | 'file' }>,
  warnings: Warning[],
): ResponseInputContent {
  const media = readMedia(part);
  if (media.at === 'nowhere') {
    return { type: 'input_text', text: leaveOut(`A ${part.type}`, 'it has neither data nor a URL', warnings) };
  }
  if (part.type === 'image') {
    return { type: 'input_image', detail: 'auto', image_url: media.at === 'url' ? media.url : toDataUrl(media) };
  }
  if (media.at === 'url') {
    return { type: 'input_file', file_url: media.url, ...(part.filename !== undefined && { filename: part.filename }) };
  }
  return { type: 'input_file', file_data: toDataUrl(media), filename: part.filename ?? 'file' };
}
