import OpenAI from 'openai';

/** A streamed answer by the vendor's own SDK; resolves with its text. */
export function createDirectCall(baseURL: string): () => Promise<string> {
  const openai = new OpenAI({ apiKey: 'bench-key-0123456789', baseURL, maxRetries: 0 });
  return async () => {
    let text = '';
    for await (const event of await openai.responses.create({
      model: 'gpt-5-mini',
      input: 'Say something short.',
      stream: true,
      store: false,
    })) {
      if (event.type === 'response.failed') throw new Error('the upstream failed');
      if (event.type === 'response.output_text.delta') text += event.delta;
    }
    return text;
  };
}
