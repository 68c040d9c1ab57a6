import type { FinishReason, GenerationRequest, JsonObject, ModelInfo, Warning } from '@aimm/contracts';
import type { BatchLimits, BatchProgress, FoundBatch } from '../batch-endpoint.ts';
import { readJsonLines } from './json-lines.ts';
import type { CallFacts, ContentPart, EventMapper } from './vendor.ts';

/** A request as it stands in a batch: the body of a single call that does not stream. */
export interface BatchLine {
  body: object;
  warnings: Warning[];
  /** What all requests of a batch must have in common beside their model: the address or the version they are for. */
  group?: string;
}

/** Tells what the vendor's progress is; `failure` is what it said of a batch that failed as a whole. */
export interface VendorProgress extends Omit<BatchProgress, 'error'> {
  failure?: unknown;
}

/** An answer that came in one piece, read by the mapper that reads streams. */
export interface WholeAnswer {
  parts: ContentPart[];
  facts: CallFacts;
  finish: FinishReason | undefined;
  /** What the mapper threw. */
  fault?: unknown;
}

export type VendorResult = { id: string } & (
  | { answer: WholeAnswer }
  | { failure: { status?: number; body: unknown } }
  | { ended: 'expired' | 'cancelled' }
);

/** A vendor's part in a `BatchEndpoint`. All calls go through the transport; whatever is thrown is mapped by whoever calls. */
export interface BatchVendor {
  readonly limits: BatchLimits;
  toLine(request: GenerationRequest, info: ModelInfo | undefined): Promise<BatchLine>;
  submit(batch: {
    name: string;
    model: string;
    group: string | undefined;
    lines: readonly { id: string; body: object }[];
  }): Promise<JsonObject>;
  find(search: { name: string; requests: number; since: number }): Promise<FoundBatch[]>;
  poll(handle: JsonObject): Promise<VendorProgress>;
  results(handle: JsonObject): AsyncIterable<VendorResult>;
  cancel(handle: JsonObject): Promise<void>;
  remove(handle: JsonObject): Promise<void>;
}

/** The results in a file of JSON lines, as they come; a line that `toResult` makes nothing of is passed over. */
export async function* readResults(
  { body }: Response,
  toResult: (line: Record<string, unknown>) => VendorResult | undefined,
): AsyncGenerator<VendorResult> {
  for await (const line of readJsonLines(body)) {
    const result = toResult(line);
    if (result !== undefined) yield result;
  }
}

/** Reads the events that a whole answer stands for. */
export function readWhole<Event>(mapper: EventMapper<Event>, toEvents: () => Iterable<Event>): WholeAnswer {
  const parts: ContentPart[] = [];
  let fault: { fault?: unknown } = {};
  try {
    for (const event of toEvents()) parts.push(...mapper.map(event));
  } catch (error) {
    fault = { fault: error };
  }
  return { parts, facts: mapper.facts(), finish: mapper.finish(), ...fault };
}

/** Clocks differ, and a vendor's may say that a batch is older than the call that made it. */
export const clockSlackMs = 600_000;

/** A listing is read no further: an account with more batches than that in the time asked for is not ours to search. */
export const maxListedPages = 100;
