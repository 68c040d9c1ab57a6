export type {
  BatchEndpoint,
  BatchHandle,
  BatchLimits,
  BatchProgress,
  BatchRequest,
  BatchResult,
  BatchState,
  FoundBatch,
} from './batch-endpoint.ts';
export { drainStream } from './drain.ts';
export type {
  CallOptions,
  ModelProvider,
  ProviderFactory,
  ProviderResponse,
  ProviderSettings,
  ProxySettings,
  ServedBy,
  StreamPart,
} from './model-provider.ts';
export { type Headroom, parseHeadroom, parseRateLimits } from './adapter/rate-limits.ts';
export { createProvider, isProviderKind, type ProviderKind, providerKinds } from './registry.ts';
