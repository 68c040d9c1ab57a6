import type { FinishReason, GenerationRequest, ListedModel, ModelInfo, Usage, Warning } from '@aimm/contracts';
import type { ServedBy, StreamPart } from '../model-provider.ts';
import type { BatchVendor } from './batch-vendor.ts';
import type { ErrorRule, VendorHints } from './provider-error.ts';

/** What an answer is made of. */
export type ContentPart = Extract<StreamPart, { type: 'text' | 'reasoning' | 'tool_call' | 'warning' }>;

/** What is known of a call by now, whether or not it ends well. */
export interface CallFacts extends ServedBy {
  /** Another object whenever other counts came; absent before the first. */
  usage?: Usage;
  vendorRequestId?: string;
}

/** Turns one vendor's events into parts. Made anew for every call. */
export interface EventMapper<Event> {
  /** The parts an event stands for, often none. Throws what the vendor reports as a failure. */
  map(event: Event): ContentPart[];
  facts(): CallFacts;
  /** Why the answer ended, once the terminal marker was seen; undefined before. */
  finish(): FinishReason | undefined;
}

/** A request ready to go out. */
export interface PreparedCall {
  warnings: Warning[];
  /** Sends it. One list of parts for every event of the vendor, so that silence can be told from thinking. */
  open(): Promise<AsyncIterable<ContentPart[]>>;
  facts(): CallFacts;
  finish(): FinishReason | undefined;
}

/** What one vendor's file gives; `assembleProvider` makes the provider of it. All calls go through the transport. */
export interface Vendor {
  readonly kind: string;
  /** Loads the SDK and builds its client; calls nobody. */
  load(): Promise<unknown>;
  /** What a call would send. Maps only, does not send. */
  prepare(request: GenerationRequest, info: ModelInfo | undefined): PreparedCall;
  /** Throws a `ShapeError` when the answer is no listing. */
  listModels(): Promise<ListedModel[]>;
  /** Where the vendor says more of one model than its listing does. */
  getModel?(model: string): Promise<ListedModel>;
  /** Where the vendor has a batch API. */
  readonly batches?: BatchVendor;
  readonly errorRules: readonly ErrorRule[];
  /** Whether models of which nothing is known can be held to a JSON schema. */
  readonly schemaMode: boolean;
  /** Whether a listing proves the key; some servers show theirs to anybody. */
  readonly listingNeedsKey: boolean;
  readonly hints?: VendorHints;
  /** The server gives a model the window that it was told to, which may not be the one the model was made for. */
  readonly limitsWindows?: boolean;
}

/** Ties a mapper to the SDK call that makes its events. */
export function toCall<Event>(
  warnings: Warning[],
  mapper: EventMapper<Event>,
  send: () => Promise<AsyncIterable<Event>>,
): PreparedCall {
  return {
    warnings,
    open: async () => mapEach(await send(), mapper),
    facts: () => mapper.facts(),
    finish: () => mapper.finish(),
  };
}

async function* mapEach<Event>(events: AsyncIterable<Event>, mapper: EventMapper<Event>) {
  for await (const event of events) yield mapper.map(event);
}

/** Loads and builds something at its first use and keeps it; a failed attempt is not kept. */
export function lazily<T>(create: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () =>
    (made ??= create().catch((error: unknown) => {
      made = undefined;
      throw error;
    }));
}
