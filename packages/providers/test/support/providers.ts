import type { GenerationRequest, GenerationSettings, Message, ModelInfo, ModelManagerError } from '@aimm/contracts';
import {
  createProvider,
  type ModelProvider,
  type ProviderKind,
  type ProviderSettings,
  type StreamPart,
} from '../../src/index.ts';
import { wires } from './wires.ts';

/** A key that must never come out again. */
export const plantedKey = 'sk-planted-Zk81/7+x';

export function createTestProvider(
  kind: ProviderKind,
  url: string,
  more: Partial<ProviderSettings> = {},
): ModelProvider {
  return createProvider({
    id: kind,
    kind,
    baseUrl: wires[kind].baseUrl(url),
    apiKey: plantedKey,
    keyRequired: kind !== 'ollama',
    apiKeyVariable: 'TEST_API_KEY',
    demo: false,
    firstByteTimeoutMs: 10_000,
    idleTimeoutMs: 10_000,
    describeModel: () => undefined,
    ...more,
  });
}

export function ask(messages: string | Message[], settings: GenerationSettings = {}): GenerationRequest {
  const asked: Message[] =
    typeof messages === 'string' ? [{ role: 'user', content: [{ type: 'text', text: messages }] }] : messages;
  return { model: 'm-1', messages: asked, settings };
}

/** A model of the catalog with nothing known but what is given. */
export function modelInfo(kind: string, more: Partial<ModelInfo> = {}): ModelInfo {
  return { provider: kind, id: 'm-1', source: 'catalog', ...more };
}

export const patient = () => ({ signal: new AbortController().signal, timeoutMs: 10_000 });

export async function collect(stream: AsyncIterable<StreamPart>): Promise<StreamPart[]> {
  const parts: StreamPart[] = [];
  for await (const part of stream) parts.push(part);
  return parts;
}

/** The error a call ends with; a call that ends well is a failure of the test. */
export async function failureOf(call: Promise<unknown>): Promise<ModelManagerError> {
  try {
    const value = await call;
    throw new Error(`expected a failure, got ${JSON.stringify(value)}`);
  } catch (error) {
    return error as ModelManagerError;
  }
}
