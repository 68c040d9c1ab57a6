import type {
  FinishReason,
  GenerationRequest,
  ListedModel,
  ModelInfo,
  ProviderHealth,
  ToolCallPart,
  Usage,
  Warning,
} from '@aimm/contracts';
import type { BatchEndpoint } from './batch-endpoint.ts';

/** What a vendor streams, in one vocabulary. A stream without `finish` has failed and throws instead of ending. */
export type StreamPart =
  | { type: 'text'; text: string }
  | { type: 'reasoning'; text: string; signature?: string }
  | { type: 'tool_call'; call: ToolCallPart }
  | { type: 'warning'; warning: Warning }
  /** Counts so far; each replaces the one before. A broken stream is billed by the last that arrived. */
  | { type: 'usage'; usage: Usage }
  /** Who answers, as soon as it is known; each replaces the one before. A broken stream is billed by it, too. */
  | ({ type: 'served' } & ServedBy)
  | ({
      type: 'finish';
      finishReason: FinishReason;
      usage: Usage;
      /** The vendor's id of this call, for its support desk. */
      vendorRequestId?: string;
    } & ServedBy);

export interface ServedBy {
  /** The vendor's model id that answered, where it said. */
  answeredBy?: string;
  /** The vendor's word for the service tier that answered, where it said: not always the one asked for. */
  serviceTier?: string;
}

/** The drained stream. */
export interface ProviderResponse extends ServedBy {
  text: string;
  reasoning?: string;
  toolCalls: ToolCallPart[];
  finishReason: FinishReason;
  usage: Usage;
  vendorRequestId?: string;
  warnings: Warning[];
}

/** How one call ends early. `signal` is the user's or the queue's; the time-outs are the adapter's own to keep. */
export interface CallOptions {
  signal: AbortSignal;
  /** The whole call, in milliseconds. */
  timeoutMs: number;
  /** Called once with limit headers and the like, for logs and pacing. */
  onResponse?: (response: { status: number; headers: Record<string, string> }) => void;
}

/**
 * One vendor behind one interface. Never retries by itself. Every error it throws is a `ModelManagerError`
 * whose message is ours; what the vendor said goes into `vendorMessage`, for logs only.
 */
export interface ModelProvider {
  readonly id: string;
  readonly kind: string;
  /** What the provider itself lists. An answer of the wrong shape is a `server_error`, never an empty list. */
  listModels(options: { signal: AbortSignal }): Promise<ListedModel[]>;
  /** @throws unknown_model */
  getModelInfo(model: string, options: { signal: AbortSignal }): Promise<ListedModel>;
  /** The same call as `stream`, drained. */
  generate(request: GenerationRequest, options: CallOptions): Promise<ProviderResponse>;
  stream(request: GenerationRequest, options: CallOptions): AsyncIterable<StreamPart>;
  /** The vendor's batch API, where it has one and this server speaks it. */
  readonly batches?: BatchEndpoint;
  /** Whether a call can be tried: credentials are there where they are needed. No network. */
  isAvailable(): boolean;
  /** Loads what the first call needs (an SDK takes up to half a second); no network. */
  warmUp(): Promise<void>;
  /** Cheap calls only, bounded to seconds. Never throws: what is wrong is in the answer. `deep` also generates one token. */
  checkHealth(options: { signal: AbortSignal; deep: boolean }): Promise<ProviderHealth>;
}

/** Proxies on the way to vendors, as `http://` or `https://` addresses with user name and password where they want them. */
export interface ProxySettings {
  /** For `http://` endpoints; also for `https://` ones where `https` is absent. */
  http?: string | undefined;
  https?: string | undefined;
  /** Hosts that are asked directly, as NO_PROXY lists them. This machine always is. */
  noProxy?: string | undefined;
}

export interface ProviderSettings {
  id: string;
  kind: string;
  /** As the vendor's own SDK takes it; absent: the SDK's default. */
  baseUrl?: string;
  /** Absent: every call is direct. */
  proxy?: ProxySettings;
  apiKey?: string;
  /** Whether this kind cannot work without `apiKey`. */
  keyRequired: boolean;
  /** The environment variable a user would set, named in hints. */
  apiKeyVariable?: string;
  /** A local stand-in that answers in the vendor's place. */
  demo: boolean;
  /** Milliseconds until the first text, reasoning or tool call, and between events from then on. */
  firstByteTimeoutMs: number;
  idleTimeoutMs: number;
  defaultModel?: string;
  /** Ollama: how long a model stays loaded after a call, as its `keep_alive` takes it. */
  keepAlive?: string | number;
  /** Ollama: the context window that the server gives by itself, in tokens. */
  contextLength?: number;
  /** What the catalog knows of a model of this provider: limits and quirks. */
  describeModel: (model: string) => ModelInfo | undefined;
}

export type ProviderFactory = (settings: ProviderSettings) => ModelProvider;
