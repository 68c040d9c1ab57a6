import { ModelManagerError } from '@aimm/contracts';
import { createAnthropicProvider } from './anthropic.ts';
import { createGoogleProvider } from './google.ts';
import { createMistralProvider } from './mistral.ts';
import type { ModelProvider, ProviderFactory, ProviderSettings } from './model-provider.ts';
import { createOllamaProvider } from './ollama.ts';
import { createOpenAiCompatibleProvider } from './openai-compatible.ts';
import { createOpenAiProvider } from './openai.ts';

/** Every kind of provider there is; each name is the name of its file. */
export const providerKinds = {
  anthropic: createAnthropicProvider,
  google: createGoogleProvider,
  mistral: createMistralProvider,
  ollama: createOllamaProvider,
  openai: createOpenAiProvider,
  'openai-compatible': createOpenAiCompatibleProvider,
} satisfies Record<string, ProviderFactory>;

export type ProviderKind = keyof typeof providerKinds;

/**
 * The adapter of the settings' kind. Loads no SDK and opens nothing until its first call.
 *
 * @throws invalid_request when there is no such kind
 */
export function createProvider(settings: ProviderSettings): ModelProvider {
  if (!isProviderKind(settings.kind)) {
    throw new ModelManagerError('invalid_request', `${settings.id} is of an unknown kind: "${settings.kind}".`, {
      provider: settings.id,
      hint: `Its kind must be one of ${Object.keys(providerKinds).join(', ')}.`,
    });
  }
  return providerKinds[settings.kind](settings);
}

export function isProviderKind(kind: string): kind is ProviderKind {
  return Object.hasOwn(providerKinds, kind);
}
