/**
 * The kinds a provider may name in config/providers.json: one per adapter. The catalog cannot import the adapters,
 * so the list stands here once; a test compares it with the adapters' registry.
 */
export const providerKinds = ['openai', 'anthropic', 'google', 'mistral', 'ollama', 'openai-compatible'] as const;
export type ProviderKind = (typeof providerKinds)[number];

/** Kinds whose servers commonly ask for no key. */
export const keylessKinds: ReadonlySet<string> = new Set<ProviderKind>(['ollama', 'openai-compatible']);
