import type { GenerationSettings, Message } from '@aimm/contracts';

/** What is to be estimated: aliases, pools and `auto` as every model they may come to. */
export interface EstimateAsk {
  messages: Message[];
  settings: GenerationSettings;
  models: string[];
}

/** Nano-dollars, `null` where the price is unknown; tokens are estimated as budgets do. */
export interface CostEstimate {
  /** As the model was named. */
  asked: string;
  alias?: string | undefined;
  provider: string;
  /** `provider/model`. */
  model: string;
  inputTokens: number;
  /** Of an ordinary answer. */
  expectedOutputTokens: number;
  /** Of the longest that is reckoned with: what budgets reserve. */
  maxOutputTokens: number;
  expectedNanoUsd: number | null;
  maxNanoUsd: number | null;
  priceVersion?: string | undefined;
  unpricedBecause?: string | undefined;
  warnings: string[];
}
