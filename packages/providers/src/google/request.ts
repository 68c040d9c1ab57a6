import type { GenerationRequest, GenerationSettings, ModelInfo, ReasoningEffort, Warning } from '@aimm/contracts';
import type {
  FunctionCallingConfig,
  FunctionCallingConfigMode,
  GenerateContentConfig,
  GenerateContentParameters,
  ServiceTier,
  ThinkingConfig,
  ThinkingLevel,
} from '@google/genai';
import { splitSystem } from '../adapter/conversation.ts';
import { putFormatInPrompt } from '../adapter/schema-in-prompt.ts';
import { planSettings } from '../adapter/settings-plan.ts';
import { toContents } from './contents.ts';

type ReasoningStyle = 'effort' | 'budget' | 'switch';

// The SDK's enums are values of a module that is loaded late; these are the words on the wire.
const levels: Record<ReasoningEffort, `${ThinkingLevel}`> = {
  none: 'MINIMAL',
  minimal: 'MINIMAL',
  low: 'LOW',
  medium: 'MEDIUM',
  high: 'HIGH',
  xhigh: 'HIGH',
  max: 'HIGH',
};
const budgets: Record<ReasoningEffort, number> = {
  none: 0,
  minimal: 1024,
  low: 4096,
  medium: 8192,
  high: 16_384,
  xhigh: 20_480,
  max: 24_576,
};

/** The parameters of a `generateContentStream`. */
export function toGenerateParams(
  provider: string,
  given: GenerationRequest,
  info: ModelInfo | undefined,
): { params: GenerateContentParameters; warnings: Warning[] } {
  const style = info?.quirks?.reasoningStyle ?? 'effort';
  const { request, warnings: moved } = fitFormat(provider, given, style);
  const { settings, warnings } = planSettings(provider, request, info, {
    unsupported: ['userId'],
    serviceTiers: ['flex', 'standard', 'priority'],
    maxStops: 5,
    // A level cannot be off, and nothing is above high.
    ...(style === 'effort' && { efforts: ['minimal', 'low', 'medium', 'high'] }),
  });
  const { system, turns } = splitSystem(request.messages);
  const { tools, toolChoice, reasoningEffort: effort, serviceTier } = settings;
  const config: GenerateContentConfig = {
    // Left alone, the SDK would send further requests by itself.
    automaticContinuation: false,
    ...(system !== undefined && { systemInstruction: system }),
    ...(settings.temperature !== undefined && { temperature: settings.temperature }),
    ...(settings.topP !== undefined && { topP: settings.topP }),
    ...(settings.topK !== undefined && { topK: settings.topK }),
    ...(settings.maxOutputTokens !== undefined && { maxOutputTokens: settings.maxOutputTokens }),
    ...(settings.stop !== undefined && { stopSequences: settings.stop }),
    ...(settings.seed !== undefined && { seed: settings.seed }),
    ...(settings.presencePenalty !== undefined && { presencePenalty: settings.presencePenalty }),
    ...(settings.frequencyPenalty !== undefined && { frequencyPenalty: settings.frequencyPenalty }),
    ...toFormat(settings.responseFormat),
    ...(effort !== undefined && { thinkingConfig: toThinking(effort, style) }),
    ...(tools !== undefined && {
      tools: [
        {
          functionDeclarations: tools.map(({ name, description, parameters }) => ({
            name,
            ...(description !== undefined && { description }),
            parametersJsonSchema: parameters,
          })),
        },
      ],
    }),
    ...(toolChoice !== undefined && { toolConfig: { functionCallingConfig: toCallingConfig(toolChoice) } }),
    // planSettings left only the wire's own words through.
    ...(serviceTier !== undefined && { serviceTier: serviceTier as ServiceTier }),
  };
  // Those whose reasoning is an effort: Gemini 3 and later.
  const contents = toContents(turns, style === 'effort', warnings);
  return { params: { model: request.model, contents, config }, warnings: [...moved, ...warnings] };
}

/** Models before Gemini 3 refuse a form of the answer beside tools. */
function fitFormat(provider: string, request: GenerationRequest, style: ReasoningStyle) {
  const hasTools = (request.settings.tools ?? []).length > 0;
  if (style !== 'budget' || !hasTools) return { request, warnings: [] };
  return putFormatInPrompt(provider, request, 'takes no form of the answer beside tools');
}

function toFormat(format: GenerationSettings['responseFormat']): GenerateContentConfig {
  if (format === undefined || format.type === 'text') return {};
  const schema = format.type === 'json_schema' ? { responseJsonSchema: format.schema } : {};
  return { responseMimeType: 'application/json', ...schema };
}

function toThinking(effort: ReasoningEffort, style: ReasoningStyle): ThinkingConfig {
  const show = effort === 'none' ? {} : { includeThoughts: true };
  if (style === 'effort') return { ...show, thinkingLevel: levels[effort] as ThinkingLevel };
  // -1: as much as the model sees fit.
  if (style === 'switch') return { ...show, thinkingBudget: effort === 'none' ? 0 : -1 };
  return { ...show, thinkingBudget: budgets[effort] };
}

function toCallingConfig(choice: NonNullable<GenerationSettings['toolChoice']>): FunctionCallingConfig {
  const words = { auto: 'AUTO', none: 'NONE', required: 'ANY' } as const;
  if (typeof choice === 'string') return { mode: words[choice] as FunctionCallingConfigMode };
  return { mode: 'ANY' as FunctionCallingConfigMode, allowedFunctionNames: [choice.name] };
}
