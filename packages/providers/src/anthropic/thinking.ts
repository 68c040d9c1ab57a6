import type { GenerationSettings, ModelQuirks, ReasoningEffort } from '@aimm/contracts';
import type { OutputConfig, ThinkingConfigParam } from '@anthropic-ai/sdk/resources/messages/messages';
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

/** How the model is told to think, and the settings that may go with it. Says in the plan's warnings what gave way. */
export function planThinking(
  { settings: planned, warnings }: SettingsPlan,
  maxTokens: number,
  { reasoningStyle: style = 'effort', reasoningOff = 'disabled' }: ModelQuirks,
): Thinking {
  const settings = { ...planned };
  const asked = settings.reasoningEffort;
  if (asked === undefined) return { settings };
  if (asked === 'none') return { thinking: { type: reasoningOff }, settings };
  const thinking: ThinkingConfigParam = { type: 'adaptive', display: 'summarized' };
  if (style === 'switch') return { thinking, settings };
  if (style === 'effort') return { thinking, effort: asked === 'minimal' ? 'low' : asked, settings };

  const budget = Math.min(budgets[asked], maxTokens - 1);
  if (budget < smallestBudget) {
    const message = `reasoningEffort was left out: an answer of ${maxTokens} tokens has no room for reasoning.`;
    warnings.push({ code: 'unsupported_setting', setting: 'reasoningEffort', message });
    return { settings };
  }
  for (const setting of ['temperature', 'topK'] as const) {
    if (settings[setting] === undefined) continue;
    delete settings[setting];
    const message = `${setting} was left out: the model does not take it while it reasons.`;
    warnings.push({ code: 'unsupported_setting', setting, message });
  }
  if (settings.toolChoice === 'required' || typeof settings.toolChoice === 'object') {
    settings.toolChoice = 'auto';
    const message = 'toolChoice is auto: the model cannot be made to call a tool while it reasons.';
    warnings.push({ code: 'adjusted_setting', setting: 'toolChoice', message });
  }
  return { thinking: { type: 'enabled', budget_tokens: budget }, settings };
}
