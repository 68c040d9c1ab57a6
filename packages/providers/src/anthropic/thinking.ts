import type { GenerationSettings, ModelQuirks, ReasoningEffort } from '@aimm/contracts';
import type { MessageParam, OutputConfig, ThinkingConfigParam } from '@anthropic-ai/sdk/resources/messages/messages';
import { toAdjusted, toLeftOut } from '../adapter/setting-warnings.ts';
import type { SettingsPlan } from '../adapter/settings-plan.ts';

/** Tokens to think with, for models that want a number; within the limit of the answer. */
const budgets: Record<Exclude<ReasoningEffort, 'none'>, number> = {
  minimal: 1024,
  low: 2048,
  medium: 8192,
  high: 16_384,
  xhigh: 24_576,
  max: 32_000,
};
const smallestBudget = 1024;

interface Thinking {
  thinking?: ThinkingConfigParam;
  effort?: NonNullable<OutputConfig['effort']>;
  settings: GenerationSettings;
}

/** Models that have a budget think from a turn's beginning on or not at all; results of tools belong to the turn. */
function mayThink(messages: readonly MessageParam[]): boolean {
  const blocksOf = ({ content }: MessageParam) => (typeof content === 'string' ? [] : content);
  const isAsking = (message: MessageParam) =>
    message.role === 'user' && !blocksOf(message).some(({ type }) => type === 'tool_result');
  const first = messages[messages.findLastIndex(isAsking) + 1];
  const types = first === undefined ? [] : blocksOf(first).map(({ type }) => type);
  return !types.includes('tool_use') || types[0] === 'thinking' || types[0] === 'redacted_thinking';
}

/** How the model is told to think, and the settings that may go with it. Says in the plan's warnings what gave way. */
export function planThinking(
  { settings: planned, warnings }: SettingsPlan,
  maxTokens: number,
  { reasoningStyle: style = 'effort', reasoningOff = 'disabled' }: ModelQuirks,
  messages: readonly MessageParam[],
): Thinking {
  const settings = { ...planned };
  const asked = settings.reasoningEffort;
  if (asked === undefined) return { settings };
  if (asked === 'none') return { thinking: { type: reasoningOff }, settings };
  const thinking: ThinkingConfigParam = { type: 'adaptive', display: 'summarized' };
  if (style === 'switch') return { thinking, settings };
  if (style === 'effort') return { thinking, effort: asked === 'minimal' ? 'low' : asked, settings };

  const leaveOut = (why: string): Thinking => {
    warnings.push(toLeftOut('reasoningEffort', why));
    return { settings };
  };
  const budget = Math.min(budgets[asked], maxTokens - 1);
  if (budget < smallestBudget) return leaveOut(`an answer of ${maxTokens} tokens has no room for reasoning`);
  if (!mayThink(messages)) return leaveOut('the model did not begin to reason before the tool calls of this turn');
  for (const setting of ['temperature', 'topK'] as const) {
    if (settings[setting] === undefined) continue;
    delete settings[setting];
    warnings.push(toLeftOut(setting, 'the model does not take it while it reasons'));
  }
  if (settings.toolChoice === 'required' || typeof settings.toolChoice === 'object') {
    settings.toolChoice = 'auto';
    warnings.push(toAdjusted('toolChoice', 'is auto: the model cannot be made to call a tool while it reasons'));
  }
  return { thinking: { type: 'enabled', budget_tokens: budget }, settings };
}
