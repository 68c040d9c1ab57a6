import { ModelManagerError } from '@aimm/contracts';
import type { GenerateAsk } from '@aimm/manager';
import { describe, expect, it } from 'vitest';
import { createFakeManager, createReadyManager } from './support/fake-manager.ts';
import { answer, conversationId, generationId, queuedJob } from './support/fixtures.ts';
import { callTool, caller, connect, eras } from './support/connect.ts';

async function askOf(args: Record<string, unknown>): Promise<GenerateAsk> {
  const manager = createReadyManager();
  const client = await connect(manager);
  const { isError, text } = await callTool(client, 'generate', args);
  expect({ isError, text: isError ? text : [] }).toEqual({ isError: false, text: [] });
  const [, ask] = manager.calls[0]?.args ?? [];
  return ask as GenerateAsk;
}

describe('what generate asks', () => {
  it('carries every setting under the name the contracts give it', async () => {
    const ask = await askOf({
      prompt: 'Hi',
      model: 'openai/gpt-5-mini',
      system: 'Be brief',
      max_output_tokens: 100,
      temperature: 0.5,
      top_p: 0.9,
      stop: 'END',
      seed: 7,
      response_format: { type: 'json_schema', schema: { type: 'object' }, name: 'out' },
      reasoning_effort: 'low',
      images: ['https://x.test/a.png', { data: 'AAAA', media_type: 'image/png' }],
      tools: [{ name: 'look', parameters: { type: 'object' } }],
      tool_choice: { name: 'look' },
      conversation_id: conversationId,
      save_conversation: true,
      route: 'cheapest',
      fallbacks: ['mistral/mistral-large'],
      cache: true,
      max_wait_seconds: 1.5,
      timeout_seconds: 30,
      tags: ['docs'],
      top_k: 40,
      presence_penalty: 0.5,
      frequency_penalty: -0.5,
      service_tier: 'flex',
      user: 'ada',
      prompt_cache: '1h',
    });
    expect(ask).toEqual({
      messages: [
        { role: 'system', content: [{ type: 'text', text: 'Be brief' }] },
        {
          role: 'user',
          content: [
            { type: 'image', url: 'https://x.test/a.png' },
            { type: 'image', data: 'AAAA', mediaType: 'image/png' },
            { type: 'text', text: 'Hi' },
          ],
        },
      ],
      settings: {
        maxOutputTokens: 100,
        temperature: 0.5,
        topP: 0.9,
        stop: ['END'],
        seed: 7,
        responseFormat: { type: 'json_schema', schema: { type: 'object' }, name: 'out' },
        reasoningEffort: 'low',
        tools: [{ name: 'look', parameters: { type: 'object' } }],
        toolChoice: { name: 'look' },
        topK: 40,
        presencePenalty: 0.5,
        frequencyPenalty: -0.5,
        serviceTier: 'flex',
        userId: 'ada',
        promptCache: '1h',
      },
      model: 'openai/gpt-5-mini',
      conversationId,
      saveConversation: true,
      route: 'cheapest',
      fallbacks: ['mistral/mistral-large'],
      cache: true,
      maxWaitMs: 1500,
      timeoutMs: 30_000,
      tags: ['docs'],
      // Nobody is shown text as it comes.
      allowRestart: true,
    });
  });

  it('asks for no fallbacks, not even those of the configuration, with an empty list', async () => {
    expect((await askOf({ prompt: 'Hi', fallbacks: [] })).fallbacks).toEqual([]);
    expect((await askOf({ prompt: 'Hi' })).fallbacks).toBeUndefined();
  });

  it('turns results of tools into one user turn, and takes calls back as the answer gave them', async () => {
    const call = { type: 'tool_call', id: 'c1', name: 'look', arguments: { at: 'sky' }, vendor: { signature: 's' } };
    const { messages } = await askOf({
      messages: [
        { role: 'user', content: 'Look' },
        { role: 'assistant', content: [{ type: 'text', text: 'I will.' }, call] },
        { role: 'tool', tool_call_id: 'c1', content: 'blue' },
        { role: 'tool', content: [{ type: 'tool_result', tool_call_id: 'c2', content: 'no', is_error: true }] },
      ],
    });
    expect(messages.slice(1)).toEqual([
      { role: 'assistant', content: [{ type: 'text', text: 'I will.' }, call] },
      {
        role: 'user',
        content: [
          { type: 'tool_result', toolCallId: 'c1', content: 'blue' },
          { type: 'tool_result', toolCallId: 'c2', content: 'no', isError: true },
        ],
      },
    ]);
  });

  it('takes files in messages, by address and by content', async () => {
    const { messages } = await askOf({
      messages: [
        {
          role: 'user',
          content: [
            { type: 'file', url: 'https://x.test/a.pdf', media_type: 'application/pdf' },
            { type: 'file', data: 'AAAA', media_type: 'text/plain', filename: 'a.txt' },
          ],
        },
      ],
    });
    expect(messages[0]?.content).toEqual([
      { type: 'file', url: 'https://x.test/a.pdf', mediaType: 'application/pdf' },
      { type: 'file', data: 'AAAA', mediaType: 'text/plain', filename: 'a.txt' },
    ]);
  });

  it('is asked in the name of the caller', async () => {
    const manager = createReadyManager();
    await callTool(await connect(manager), 'generate', { prompt: 'Hi' });
    expect(manager.calls[0]?.args[0]).toEqual(caller);
  });
});

describe.each(eras)('the answer of generate in version %s', (era) => {
  it('has the text first, then one line about it, and everything for programs', async () => {
    const client = await connect(createReadyManager(), { era });
    const { text, structured, isError } = await callTool(client, 'generate', { prompt: 'Capital of France?' });
    expect(isError).toBe(false);
    expect(text).toEqual([
      'Paris.',
      `[openai/gpt-5-mini · 12 in, 3 out tokens · $0.0000090 · 850 ms · ${generationId}]\nWarning: gpt-5-mini does not take temperature.`,
    ]);
    expect(structured).toEqual({
      job_id: generationId,
      status: 'succeeded',
      text: 'Paris.',
      model: 'openai/gpt-5-mini',
      provider: 'openai',
      finish_reason: 'stop',
      usage: { input_tokens: 12, output_tokens: 3, total_tokens: 15 },
      cost_usd: 0.000009,
      latency_ms: 850,
      queue_ms: 4,
      first_token_ms: 210,
      cached: false,
      warnings: ['gpt-5-mini does not take temperature.'],
      answered_by: 'gpt-5-mini-2026-01-01',
    });
  });
});

describe('the answer of generate', () => {
  it('says what is out of the ordinary: unknown price, a cut, the cache, a fallback', async () => {
    const manager = createFakeManager();
    const client = await connect(manager);
    const asked = manager.nextGeneration();
    const call = callTool(client, 'generate', { prompt: 'Hi' });
    (await asked).succeed({
      ...answer,
      costNanoUsd: null,
      finishReason: { unified: 'length' },
      cached: true,
      fallbackFrom: 'mistral/mistral-large',
      conversationId,
      warnings: [],
    });
    const { text, structured } = await call;
    expect(text[1]).toContain('price unknown');
    expect(text[1]).toContain('cut off at max_output_tokens');
    expect(text[1]).toContain('from the cache');
    expect(text[1]).toContain('in place of mistral/mistral-large');
    expect(structured).toMatchObject({
      cost_usd: null,
      cached: true,
      fallback_from: 'mistral/mistral-large',
      conversation_id: conversationId,
      finish_reason: 'length',
    });
  });

  it('shows calls of tools and structured values', async () => {
    const manager = createFakeManager();
    const client = await connect(manager);
    const asked = manager.nextGeneration();
    const call = callTool(client, 'generate', { prompt: 'Hi' });
    const toolCalls = [{ type: 'tool_call' as const, id: 'c1', name: 'look', arguments: { at: 'sky' } }];
    (await asked).succeed({ ...answer, text: '', toolCalls, structured: [1, 2], reasoning: 'Hm.' });
    const { text, structured } = await call;
    expect(text[0]).toBe('Tool call c1: look({"at":"sky"})');
    expect(structured).toMatchObject({ tool_calls: toolCalls, structured: [1, 2], reasoning: 'Hm.' });
  });

  it('of a failed request is an error with our wording, the way out and the job id', async () => {
    const manager = createFakeManager();
    const client = await connect(manager);
    const asked = manager.nextGeneration();
    const call = callTool(client, 'generate', { prompt: 'Hi' });
    const details = { retryAfterMs: 12_000, provider: 'openai', vendorMessage: 'org-secret exceeded TPM' };
    (await asked).fail(new ModelManagerError('rate_limited', 'openai allows no more requests now.', details));
    const { isError, text, structured } = await call;
    expect(isError).toBe(true);
    expect(text).toEqual([
      `openai allows no more requests now.\nWait and call again, or use a model of another provider.\n(error: rate_limited · retry after 12 s · job_id: ${generationId})`,
    ]);
    expect(structured).toMatchObject({
      job_id: generationId,
      status: 'failed',
      error: { code: 'rate_limited', retryable: true, retry_after_ms: 12_000, provider: 'openai' },
    });
    expect(JSON.stringify({ text, structured })).not.toContain('org-secret');
  });

  it.each([
    ['goes on', async () => queuedJob],
    ['nobody can say anything of', () => Promise.reject(new Error('Redis has gone'))],
  ])('whose server leaves is not told to have failed where its job %s: its id reads the answer', async (_, getJob) => {
    const manager = createFakeManager({ getJob });
    const client = await connect(manager);
    const asked = manager.nextGeneration();
    const call = callTool(client, 'generate', { prompt: 'Hi' });
    (await asked).fail(new ModelManagerError('unavailable', 'The server has let go of the queue; the job goes on.'));
    const { isError, text, structured } = await call;
    expect(isError).toBe(true);
    expect(text.join()).toMatch(/goes on\..*get_job.*job_id: gen_/s);
    expect(structured).toMatchObject({ job_id: generationId, status: 'running', error: { code: 'unavailable' } });
  });

  it('that ended as nothing could answer it has failed', async () => {
    const error = new ModelManagerError('unavailable', 'openai/gpt-5-mini is set aside.');
    const ended = { ...queuedJob, status: 'failed' as const, position: undefined, error: error.toShape() };
    const manager = createFakeManager({ getJob: async () => ended });
    const client = await connect(manager);
    const asked = manager.nextGeneration();
    const call = callTool(client, 'generate', { prompt: 'Hi' });
    (await asked).fail(error);
    expect((await call).structured).toMatchObject({ status: 'failed', error: { code: 'unavailable' } });
  });

  it('of something unforeseen tells nothing of its insides', async () => {
    const manager = createReadyManager({ generate: () => Promise.reject(new Error('password=planted-secret')) });
    const { isError, text, structured } = await callTool(await connect(manager), 'generate', { prompt: 'Hi' });
    expect(isError).toBe(true);
    expect(text[0]).toContain('(error: internal)');
    expect(JSON.stringify({ text, structured })).not.toContain('planted-secret');
  });
});

describe('a generate that nobody waits for', () => {
  it('comes back at once with the id when asked for in the background', async () => {
    const manager = createFakeManager();
    const { text, structured } = await callTool(await connect(manager), 'generate', { prompt: 'Hi', background: true });
    expect(structured).toEqual({ job_id: generationId, status: 'queued', model: 'openai/gpt-5-mini' });
    expect(text.join('\n')).toContain('get_job');
    expect(text.join('\n')).toContain(generationId);
    expect((await manager.nextGeneration()).options).toBeUndefined();
  });

  it('hands back its id and the text so far before a client without progress gives up', async () => {
    const manager = createFakeManager();
    manager.partialText = 'Once upon a';
    const client = await connect(manager, { timing: { handBackMs: 30 } });
    const { isError, text, structured } = await callTool(client, 'generate', { prompt: 'A tale' });
    expect(isError).toBe(false);
    expect(structured).toEqual({
      job_id: generationId,
      status: 'running',
      model: 'openai/gpt-5-mini',
      partial_text: 'Once upon a',
    });
    expect(text[0]).toBe('Once upon a');
    expect(text[1]).toContain(`job_id ${generationId}`);
    const { options } = await manager.nextGeneration();
    expect(options?.signal?.aborted).toBe(false);
    // Nobody is shown text as it comes: none is to be sent.
    expect(options?.onProgress).toBeUndefined();
  });

  it('is still queued when no worker has begun', async () => {
    const client = await connect(createFakeManager(), { timing: { handBackMs: 30 } });
    const { structured } = await callTool(client, 'generate', { prompt: 'Hi' });
    expect(structured).toMatchObject({ status: 'queued' });
  });

  it('fails later without harm', async () => {
    const manager = createFakeManager();
    const client = await connect(manager, { timing: { handBackMs: 10 } });
    await callTool(client, 'generate', { prompt: 'Hi' });
    const unhandled: unknown[] = [];
    const listener = (error: unknown) => unhandled.push(error);
    process.on('unhandledRejection', listener);
    (await manager.nextGeneration()).fail(new ModelManagerError('timeout', 'Too slow.'));
    await client.listTools();
    await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', listener);
    expect(unhandled).toEqual([]);
  });
});
