import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import * as z from 'zod';
import { binPath } from '../stack/bin-path.ts';

const Usage = z.object({ input_tokens: z.number().optional(), output_tokens: z.number().optional() });
const Answer = z.object({
  model: z.string(),
  text: z.string(),
  latency_ms: z.number(),
  first_token_ms: z.number().optional(),
  cost_usd: z.number().nullable(),
  usage: Usage,
  warnings: z.array(z.string()).optional(),
});
export type Answer = z.infer<typeof Answer>;
const Models = z.object({
  models: z.array(z.object({ model: z.string(), provider: z.string(), demo: z.boolean() })),
  providers: z.array(z.object({ provider: z.string(), name: z.string(), default_model: z.string().optional() })),
});
const Comparison = z.object({
  results: z.array(z.union([Answer, z.object({ model: z.string(), error: z.object({ message: z.string() }) })])),
  summary: z.object({
    fastest: z.string().optional(),
    cheapest: z.string().optional(),
    longest: z.string().optional(),
  }),
});
const Totals = z.object({
  calls: z.number(),
  input_tokens: z.number(),
  output_tokens: z.number(),
  cost_usd: z.number().nullable(),
  demo_cost_usd: z.number().optional(),
});
const UsageReport = z.object({ totals: Totals, groups: z.array(Totals.extend({ key: z.string() })) });

/** The tools that the demo shows, called through a real MCP client over stdio. Each throws what the tool says is wrong. */
export interface DemoClient {
  listModels(): Promise<z.infer<typeof Models>>;
  generate(model: string, prompt: string, onProgress: (message: string) => void): Promise<Answer>;
  compare(
    models: readonly string[],
    prompt: string,
    onProgress: (message: string) => void,
  ): Promise<z.infer<typeof Comparison>>;
  usage(): Promise<z.infer<typeof UsageReport>>;
  close(): Promise<void>;
}

export async function connectDemoClient(environment: Record<string, string>): Promise<DemoClient> {
  const client = new Client({ name: 'aimm-demo', version: '1.0.0' }, { versionNegotiation: { mode: 'auto' } });
  await client.connect(
    new StdioClientTransport({
      command: process.execPath,
      args: [binPath, 'mcp'],
      env: environment,
      stderr: 'inherit',
    }),
  );
  const call = async <T>(
    name: string,
    input: Record<string, unknown>,
    output: z.ZodType<T>,
    onProgress?: (message: string) => void,
  ): Promise<T> => {
    const result = await client.callTool(
      { name, arguments: input },
      { timeout: 60_000, ...(onProgress && { onprogress: ({ message }) => onProgress(message ?? '') }) },
    );
    if (result.isError !== true) return output.parse(result.structuredContent);
    const said = result.content.flatMap((block) => (block.type === 'text' ? [block.text] : []));
    throw new Error(`${name} failed: ${said.join('\n')}`);
  };
  return {
    listModels: () => call('list_models', {}, Models),
    generate: (model, prompt, onProgress) => call('generate', { prompt, model }, Answer, onProgress),
    compare: (models, prompt, onProgress) => call('compare_models', { prompt, models }, Comparison, onProgress),
    usage: () => call('get_usage_stats', { period: '24h', group_by: 'provider' }, UsageReport),
    close: () => client.close(),
  };
}
