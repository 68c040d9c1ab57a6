import type { ErrorShape, ModelInfo } from '@aimm/contracts';

export interface ProviderView {
  id: string;
  kind: string;
  name: string;
  baseUrl?: string | undefined;
  /** A worker that serves it has what it needs; absent while no worker has reported. */
  configured?: boolean | undefined;
  /** What keeps it from being configured, where keys are there that cannot be used. */
  problem?: string | undefined;
  demo: boolean;
  concurrency: number;
  requestsPerMinute?: number | undefined;
  tokensPerMinute?: number | undefined;
  defaultModel?: string | undefined;
  apiKeyVariables: string[];
}

export interface ModelList {
  models: (ModelInfo & { available: boolean | undefined; demo: boolean })[];
  providers: ProviderView[];
  /** Providers whose own listing could not be read, and why. */
  problems: { provider: string; error: ErrorShape }[];
}
