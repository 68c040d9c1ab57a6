import type { GenerationResult, GenerationSettings, Message } from '@aimm/contracts';
import type { ProgressEvent } from './progress.ts';

/** What every way of asking has in common. Seconds become milliseconds at the face. */
interface Ask {
  messages: Message[];
  settings: GenerationSettings;
  tags?: string[] | undefined;
  /** How long it may wait in the queue before it fails with `timeout`. */
  maxWaitMs?: number | undefined;
  /** How long one call to the provider may take. */
  timeoutMs?: number | undefined;
}

export interface GenerateAsk extends Ask {
  /** `provider/id`, a bare id, a pool, `auto`, or absent: chosen by `route`, else the first configured provider's default model. */
  model?: string | undefined;
  /** How `auto` chooses: `cheapest`, `fastest`, `balanced`, or a rule of config/routing.json. */
  route?: string | undefined;
  /** Models asked in turn when the one before it failed for good, is set aside, or `maxWaitMs` ran out; none: no chain of config/routing.json. */
  fallbacks?: string[] | undefined;
  /** Whether the answer may begin again after text of it was told; otherwise a call that breaks then ends the request. */
  allowRestart?: boolean | undefined;
  /** Answer from, and into, the exact-match cache. */
  cache?: boolean | undefined;
  conversationId?: string | undefined;
  saveConversation?: boolean | undefined;
  /** What becomes of a conversation's oldest turns where it is longer than the model takes; default `drop`. */
  history?: 'drop' | 'summarise' | undefined;
}

export interface CompareAsk extends Ask {
  models: string[];
  /** A model that ranks the answers, and by what. */
  judge?: string | undefined;
  criteria?: string | undefined;
}

export interface AskOptions {
  /** Aborting cancels the request: queued jobs are removed, running calls aborted. */
  signal?: AbortSignal | undefined;
  onProgress?: ((event: ProgressEvent) => void) | undefined;
  /** Of a comparison: `onProgress` is told the text of each model as it comes; an answer that breaks off begins again. */
  stream?: boolean | undefined;
}

/** A generation as its asker sees it. `conversationId` where one was continued or saved. */
export interface GenerationAnswer extends GenerationResult {
  conversationId?: string | undefined;
}

/** A request that was accepted: durable from here on, whatever becomes of this process. */
export interface Accepted<T> {
  requestId: string;
  /** `provider/model` of each job. */
  models: string[];
  /** The conversation that the answer is a turn of; a new one is there once the answer is. */
  conversationId?: string | undefined;
  /** Settles when the request ends. Rejects with ModelManagerError. A dropped promise loses nothing: read the job by id. */
  result: Promise<T>;
}
