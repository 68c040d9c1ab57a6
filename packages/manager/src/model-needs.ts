import { type Countable, estimateTokens } from '@aimm/catalog';
import type { GenerationSettings, Message, ModelInfo } from '@aimm/contracts';

/** What a request needs of the model that is to answer it. */
export interface Needs {
  images: boolean;
  files: boolean;
  tools: boolean;
  json: 'schema' | 'any' | undefined;
  /** Asked for by the request; absent where the model decides. */
  maxOutputTokens: number | undefined;
  /** What counts as input. */
  asked: Countable;
}

export function toNeeds(messages: Message[], settings: GenerationSettings): Needs {
  const has = (wanted: string) => messages.some(({ content }) => content.some(({ type }) => type === wanted));
  const format = settings.responseFormat?.type;
  return {
    images: has('image'),
    files: has('file'),
    tools: (settings.tools?.length ?? 0) > 0,
    json: format === 'json_schema' ? 'schema' : format === 'json' ? 'any' : undefined,
    maxOutputTokens: settings.maxOutputTokens,
    asked: { messages, settings },
  };
}

/** Whether a model takes the request, as far as the catalog knows it: what is unknown is no reason against it. Pure. */
export function fits(info: ModelInfo | undefined, kind: string, needs: Needs): boolean {
  if (info === undefined) return true;
  const { capabilities: can, contextWindow, maxOutputTokens } = info;
  if (needs.maxOutputTokens !== undefined && maxOutputTokens !== undefined && needs.maxOutputTokens > maxOutputTokens)
    return false;
  if (contextWindow !== undefined) {
    const tokens = estimateTokens(needs.asked, kind) + (needs.maxOutputTokens ?? 0);
    if (tokens > contextWindow) return false;
  }
  if (can === undefined) return true;
  if (needs.images && !can.includes('images')) return false;
  if (needs.files && !can.includes('files')) return false;
  if (needs.tools && !can.includes('tools')) return false;
  // A schema can also go into the prompt, and the answer is checked: a model that writes JSON will do.
  return needs.json === undefined || can.includes('json_schema') || can.includes('json');
}

/** What to call a request's needs where no model meets them. */
export function describeNeeds(needs: Needs): string {
  const words = [
    needs.images ? 'images' : '',
    needs.files ? 'files' : '',
    needs.tools ? 'tools' : '',
    needs.json === 'schema' ? 'a JSON schema' : needs.json === 'any' ? 'JSON' : '',
    `room for its ${estimateTokens(needs.asked, '') + (needs.maxOutputTokens ?? 0)} tokens`,
  ];
  return words.filter((word) => word !== '').join(', ');
}
