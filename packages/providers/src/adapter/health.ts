import { type ErrorCode, type ModelManagerError, type ProviderHealth, toModelManagerError } from '@aimm/contracts';
import type { ModelProvider, ProviderSettings } from '../model-provider.ts';
import type { Vendor } from './vendor.ts';

const cheapTimeoutMs = 8_000;
/** One short answer; a local model may have to load first. */
const deepTimeoutMs = 20_000;

/** Asks for the listing, looks for the default model in it and, when `deep`, has it say something. Never throws. */
export async function checkHealth(
  provider: ModelProvider,
  settings: ProviderSettings,
  vendor: Vendor,
  { signal, deep }: { signal: AbortSignal; deep: boolean },
): Promise<ProviderHealth> {
  const checkedAt = Date.now();
  const health: ProviderHealth = {
    provider: settings.id,
    kind: provider.kind,
    configured: provider.isAvailable(),
    demo: settings.demo,
    checkedAt,
  };
  const timer = AbortSignal.timeout(cheapTimeoutMs);
  let step: 'cheap' | 'deep' = 'cheap';
  try {
    const model = await checkListing(provider, settings, vendor, health, AbortSignal.any([signal, timer]));
    step = 'deep';
    if (deep && model !== undefined) {
      await saySomething(provider, model, signal);
      if (settings.apiKey) health.keyValid = true;
    }
  } catch (thrown) {
    if (step === 'cheap' && timer.aborted && !signal.aborted) {
      health.reachable ??= false;
      health.problem = `${settings.id} did not answer within ${cheapTimeoutMs / 1000} s.`;
    } else {
      blame(health, toModelManagerError(thrown));
    }
  }
  health.latencyMs = Date.now() - checkedAt;
  return health;
}

/** Fills in what the listing shows, and gives the model that can be asked to speak. */
async function checkListing(
  provider: ModelProvider,
  settings: ProviderSettings,
  vendor: Vendor,
  health: ProviderHealth,
  signal: AbortSignal,
): Promise<string | undefined> {
  const models = await provider.listModels({ signal });
  health.reachable = true;
  health.modelCount = models.length;
  if (vendor.listingNeedsKey && settings.apiKey) health.keyValid = true;
  const { defaultModel } = settings;
  if (defaultModel === undefined) return models[0]?.id;
  const available =
    models.some(({ id }) => id === defaultModel || id === `${defaultModel}:latest`) ||
    (await findModel(provider, defaultModel, signal));
  health.defaultModel = { id: defaultModel, available };
  if (available) return defaultModel;
  health.problem = `The default model ${defaultModel} is not among the models of ${settings.id}.`;
  health.hint = vendor.hints?.unknown_model?.(defaultModel) ?? 'Pick another default model.';
  return undefined;
}

/** An alias is often not listed, but known. */
async function findModel(provider: ModelProvider, model: string, signal: AbortSignal): Promise<boolean> {
  try {
    await provider.getModelInfo(model, { signal });
    return true;
  } catch (thrown) {
    if (toModelManagerError(thrown).code === 'unknown_model') return false;
    throw thrown;
  }
}

async function saySomething(provider: ModelProvider, model: string, signal: AbortSignal): Promise<void> {
  const content = [{ type: 'text' as const, text: 'Say hello.' }];
  await provider.generate(
    { model, messages: [{ role: 'user', content }], settings: { maxOutputTokens: 16 } },
    { signal, timeoutMs: deepTimeoutMs },
  );
}

function blame(health: ProviderHealth, error: ModelManagerError): void {
  health.problem = error.message;
  if (error.hint !== undefined) health.hint = error.hint;
  if (health.configured) Object.assign(health, judge(error.code));
}

/** What a failure says about the line and the key. A refusal for its rate shows that both are good. */
function judge(code: ErrorCode): Partial<ProviderHealth> {
  switch (code) {
    case 'authentication':
    case 'permission':
      return { reachable: true, keyValid: false };
    case 'rate_limited':
    case 'quota_exceeded':
      return { reachable: true, keyValid: true };
    case 'network':
    case 'timeout':
      return { reachable: false };
    case 'cancelled':
    case 'internal':
      return {};
    default:
      return { reachable: true };
  }
}
