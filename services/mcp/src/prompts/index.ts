import type { Prompt } from '../define-prompt.ts';
import { chooseModelPrompt } from './choose-model.ts';
import { compareModelsPrompt } from './compare-models.ts';
import { reviewUsagePrompt } from './review-usage.ts';

/** Every prompt, in the order clients list them. One file here, one line there. */
export const prompts: readonly Prompt[] = [compareModelsPrompt, chooseModelPrompt, reviewUsagePrompt];
