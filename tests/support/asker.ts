import type { ComparisonResult } from '@aimm/contracts';
import type {
  AskOptions,
  Caller,
  CompareAsk,
  GenerateAsk,
  GenerationAnswer,
  Manager,
  ProgressEvent,
} from '@aimm/manager';

/** A generation that was acknowledged: what the standing invariants are asked of. */
export interface AskedGeneration {
  requestId: string;
  prompt: string;
  /** The vendor's model id. */
  model: string;
  /** All text that its client was sent while it ran, resets left aside. */
  heard: string;
  events: ProgressEvent[];
  /** What its client was answered; absent where a comparison or nobody waits for it. */
  result?: Promise<GenerationAnswer>;
}

export interface AskedComparison {
  requestId: string;
  prompt: string;
  children: AskedGeneration[];
  events: ProgressEvent[];
  result: Promise<ComparisonResult>;
}

type Ask = Partial<Omit<GenerateAsk, 'messages'>>;

/** Asks with a prompt that no other request has, and keeps a list of what was acknowledged. */
export interface Asker {
  readonly generations: readonly AskedGeneration[];
  readonly comparisons: readonly AskedComparison[];
  createPrompt(name: string): string;
  generate(
    front: Manager,
    name: string,
    ask?: Ask,
    options?: Pick<AskOptions, 'signal'> & { stream?: boolean; as?: Caller },
  ): Promise<AskedGeneration & { result: Promise<GenerationAnswer> }>;
  /** Asks and waits for the answer. */
  answer(front: Manager, name: string): Promise<GenerationAnswer>;
  compare(
    front: Manager,
    name: string,
    models: string[],
    ask?: Partial<CompareAsk>,
    options?: Pick<AskOptions, 'signal'>,
  ): Promise<AskedComparison>;
  /** A request that was acknowledged by other means. */
  remember(asked: AskedGeneration): void;
}

export const caller = { client: 'tests', admin: false };
/** Whoever runs all of it. */
export const operator = { client: 'local', admin: true };

export const toMessages = (text: string): GenerateAsk['messages'] => [
  { role: 'user', content: [{ type: 'text', text }] },
];

const defaultModel = 'mistral/mistral-small-latest';
const withoutProvider = (model: string) => model.slice(model.indexOf('/') + 1);

export function createAsker(): Asker {
  const generations: AskedGeneration[] = [];
  const comparisons: AskedComparison[] = [];
  let asked = 0;
  const createPrompt = (name: string) => `<<${(asked += 1)}: ${name}>>`;

  const asker: Asker = {
    generations,
    comparisons,
    createPrompt,
    remember: (request) => void generations.push(request),

    async generate(front, name, ask = {}, { signal, stream = false, as = caller } = {}) {
      const prompt = createPrompt(name);
      const events: ProgressEvent[] = [];
      const accepted = await front.generate(
        as,
        { model: defaultModel, settings: {}, ...ask, messages: toMessages(prompt) },
        { signal, ...(stream && { onProgress: (event) => events.push(event) }) },
      );
      const { requestId, result } = accepted;
      const request = {
        requestId,
        prompt,
        model: withoutProvider(accepted.models[0] ?? ''),
        events,
        result,
        get heard() {
          return events.map((event) => (event.type === 'text' ? event.text : '')).join('');
        },
      };
      generations.push(request);
      return request;
    },

    async answer(front, name) {
      return (await asker.generate(front, name)).result;
    },

    async compare(front, name, models, ask = {}, { signal } = {}) {
      const prompt = createPrompt(name);
      const events: ProgressEvent[] = [];
      const accepted = await front.compare(
        caller,
        { settings: {}, ...ask, models, messages: toMessages(prompt) },
        { signal, onProgress: (event) => events.push(event) },
      );
      const { requestId, result } = accepted;
      const { children = [] } = await front.getJob(caller, requestId);
      const asChildren = children.map((child) => ({
        requestId: child.requestId,
        prompt,
        model: withoutProvider(child.model),
        heard: '',
        events: [],
      }));
      const comparison = { requestId, prompt, children: asChildren, events, result };
      generations.push(...asChildren);
      comparisons.push(comparison);
      return comparison;
    },
  };
  return asker;
}
