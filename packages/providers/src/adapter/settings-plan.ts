import type { GenerationRequest, GenerationSettings, ModelInfo, ReasoningEffort, Warning } from '@aimm/contracts';
import { type SettingName, toAdjusted, toLeftOut } from './setting-warnings.ts';

/** What a vendor's wire takes at all, whichever the model. */
export interface WireSupport {
  /** Settings the wire has no field for. */
  unsupported?: readonly SettingName[];
  /** Efforts the wire can express; default: all. */
  efforts?: readonly ReasoningEffort[];
  /** Values of `serviceTier`; default: any. */
  serviceTiers?: readonly string[];
  /** Values of `promptCache` that the wire can honour; default: none. */
  promptCache?: readonly NonNullable<GenerationSettings['promptCache']>[];
  /** How many stop sequences; default: as many as given. */
  maxStops?: number;
}

export interface SettingsPlan {
  /** What to send. */
  settings: GenerationSettings;
  /** What was left out or changed. */
  warnings: Warning[];
}

const effortOrder: readonly ReasoningEffort[] = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'];

/** Fits the settings to the wire and to what the catalog knows of the model, with a warning for each that changed. */
export function planSettings(
  provider: string,
  { model, settings: asked }: GenerationRequest,
  info: ModelInfo | undefined,
  support: WireSupport,
): SettingsPlan {
  const settings = dropEmpty(asked);
  const warnings: Warning[] = [];
  const quirks = info?.quirks ?? {};
  const name = `${provider}/${model}`;
  const leaveOut = (setting: SettingName, why: string) => {
    if (settings[setting] === undefined) return;
    delete settings[setting];
    warnings.push(toLeftOut(setting, why));
  };
  const adjust = <S extends SettingName>(setting: S, value: GenerationSettings[S], how: string) => {
    settings[setting] = value;
    warnings.push(toAdjusted(setting, how));
  };

  for (const setting of support.unsupported ?? []) leaveOut(setting, `${name} does not take it through this API`);
  for (const setting of quirks.unsupported ?? []) {
    if (isSetting(setting, settings)) leaveOut(setting, `${name} does not take it`);
  }
  const reasonsUnasked = quirks.reasoningByDefault !== false;
  const reasons = settings.reasoningEffort === undefined ? reasonsUnasked : settings.reasoningEffort !== 'none';
  for (const setting of quirks.onlyWithoutReasoning ?? []) {
    if (!reasons || !isSetting(setting, settings)) continue;
    leaveOut(
      setting,
      `${name} takes it only ${reasonsUnasked ? 'with reasoning effort none' : 'while it does not reason'}`,
    );
  }

  const effort = settings.reasoningEffort;
  const efforts = effortOrder.filter(
    (one) => (support.efforts?.includes(one) ?? true) && (quirks.reasoningEfforts?.includes(one) ?? true),
  );
  if (effort !== undefined && efforts.length === 0) leaveOut('reasoningEffort', `${name} does not reason`);
  else if (effort !== undefined && !efforts.includes(effort)) {
    const nearest = findNearest(effort, efforts);
    adjust('reasoningEffort', nearest, `is ${nearest}: ${name} does not take ${effort}`);
  }

  const tier = settings.serviceTier;
  if (tier !== undefined && support.serviceTiers?.includes(tier) === false) {
    leaveOut('serviceTier', `${name} knows only ${support.serviceTiers.join(', ')}`);
  }
  const { promptCache: cache } = settings;
  const caches = support.promptCache ?? [];
  if (cache !== undefined && !caches.includes(cache)) {
    if (cache === 'off') leaveOut('promptCache', `${name} keeps prompts as it sees fit`);
    else if (!caches.includes('auto')) leaveOut('promptCache', `${name} takes no such hint`);
    else adjust('promptCache', 'auto', `is auto: ${name} is not told for how long`);
  }
  const { stop } = settings;
  if (stop !== undefined && support.maxStops !== undefined && stop.length > support.maxStops) {
    adjust('stop', stop.slice(0, support.maxStops), `was cut to the ${support.maxStops} that ${name} takes`);
  }
  if (settings.tools === undefined) leaveOut('toolChoice', 'there are no tools to choose from');
  const choice = settings.toolChoice;
  const forced = choice === 'required' || typeof choice === 'object';
  if (forced && quirks.forcedToolChoice === false) {
    adjust('toolChoice', 'auto', `is auto: ${name} cannot be made to call a tool`);
  }
  return { settings, warnings };
}

/** An empty list asks for nothing. */
function dropEmpty(settings: GenerationSettings): GenerationSettings {
  const { tools, stop, ...rest } = settings;
  return {
    ...Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined)),
    ...(tools !== undefined && tools.length > 0 && { tools }),
    ...(stop !== undefined && stop.length > 0 && { stop }),
  };
}

function isSetting(name: string, settings: GenerationSettings): name is SettingName {
  return name in settings;
}

/** Nearest by rank, the cheaper of two; whoever asks for some reasoning does not get none. */
function findNearest(effort: ReasoningEffort, all: readonly ReasoningEffort[]): ReasoningEffort {
  const some = all.filter((one) => one !== 'none');
  const from = some.length > 0 ? some : all;
  const rank = (one: ReasoningEffort) => effortOrder.indexOf(one);
  const distance = (one: ReasoningEffort) => Math.abs(rank(one) - rank(effort));
  return from.reduce((best, one) => (distance(one) < distance(best) ? one : best));
}
