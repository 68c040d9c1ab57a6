import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Deployment, startDeployment } from '../support/deployment.ts';
import { binPath, eras, faces, type McpClient } from '../support/mcp-client.ts';
import { recite, vendorModels } from '../support/vendors.ts';

let deployment: Deployment;
beforeAll(async () => {
  deployment = await startDeployment({ environment: { LOG_LEVEL: 'trace' } });
});
afterAll(() => deployment?.end());

describe.each(faces)('a client of version $era over $transport', (face) => {
  let mcp: McpClient;
  beforeAll(async () => {
    mcp = await deployment.connect(face);
  });

  test('speaks that version', () => {
    expect(mcp.client.getNegotiatedProtocolVersion()).toBe(face.era);
    expect(mcp.client.getProtocolEra()).toBe(face.era === eras[0] ? 'legacy' : 'modern');
    expect(mcp.client.getServerVersion()).toMatchObject({ name: 'ai-model-manager' });
    expect(mcp.client.getInstructions()).not.toBe('');
  });

  test('is offered every tool with a title, schemas and all four hints', async () => {
    const { tools } = await mcp.client.listTools();
    expect(tools.map(({ name }) => name)).toEqual([
      'generate',
      'compare_models',
      'start_batch',
      'list_models',
      'get_model_info',
      'estimate_cost',
      'get_usage_stats',
      'check_health',
      'get_job',
      'cancel_job',
      'list_jobs',
      'list_conversations',
      'get_conversation',
      'delete_conversation',
      'get_preferences',
      'set_preference',
    ]);
    for (const tool of tools) {
      expect(tool.title).not.toBe('');
      expect(tool.inputSchema).toMatchObject({ type: 'object', additionalProperties: false });
      expect(tool.outputSchema).toMatchObject({ type: 'object' });
      expect(Object.keys(tool.annotations ?? {})).toEqual(
        expect.arrayContaining(['readOnlyHint', 'destructiveHint', 'idempotentHint', 'openWorldHint']),
      );
    }
  });
});

/** `aimm mcp` at the other end of three pipes. */
function startRaw() {
  const { PATH = '', HOME = '' } = process.env;
  const child = spawn(process.execPath, [binPath, 'mcp'], { env: { PATH, HOME, ...deployment.environment } });
  const exited = once(child, 'close').then(([code]) => Number(code));
  const stdout: string[] = [];
  let stderr = '';
  child.stderr.on('data', (piece: Buffer) => (stderr += piece.toString()));
  const lines = createInterface({ input: child.stdout });
  lines.on('line', (line) => stdout.push(line));
  return {
    stdout,
    stderr: () => stderr,
    write: (line: string) => void child.stdin.write(`${line}\n`),
    ask(message: { id: number; method: string; params?: object }) {
      child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
    },
    async answered(id: number): Promise<Record<string, unknown>> {
      for (;;) {
        const found = stdout.map((line) => JSON.parse(line)).find((message) => message.id === id);
        if (found !== undefined) return found;
        await Promise.race([once(lines, 'line'), exited.then((code) => Promise.reject(new Error(`left: ${code}`)))]);
      }
    },
    async end() {
      child.stdin.end();
      return exited;
    },
  };
}

describe('stdout of aimm mcp, with every log line written', () => {
  test('carries JSON-RPC and nothing else, whatever is sent', async () => {
    deployment.vendors.say(recite);
    const raw = startRaw();
    const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'raw', version: '1' } };
    raw.ask({ id: 1, method: 'initialize', params });
    expect(await raw.answered(1)).toMatchObject({ result: { protocolVersion: '2025-11-25' } });
    raw.write(JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' }));
    raw.write('this is not JSON');
    raw.write('{"neither":"is this JSON-RPC"}');
    raw.ask({ id: 2, method: 'tools/list' });
    raw.ask({ id: 3, method: 'no/such/method' });
    const call = { name: 'generate', arguments: { model: vendorModels.openai, prompt: 'Hi' } };
    raw.ask({ id: 4, method: 'tools/call', params: { ...call, _meta: { progressToken: 'mine' } } });
    raw.ask({ id: 5, method: 'tools/call', params: { name: 'generate', arguments: { nonsense: true } } });
    raw.ask({ id: 6, method: 'resources/read', params: { uri: 'stats://usage' } });
    expect(await raw.answered(2)).toMatchObject({ result: { tools: expect.any(Array) } });
    expect(await raw.answered(3)).toMatchObject({ error: { code: -32_601 } });
    expect(await raw.answered(4)).toMatchObject({ result: { structuredContent: { status: 'succeeded' } } });
    expect(await raw.answered(5)).toMatchObject({ result: { isError: true } });
    expect(await raw.answered(6)).toMatchObject({ result: { contents: [{ uri: 'stats://usage' }] } });

    expect(await raw.end()).toBe(0);
    const messages = raw.stdout.map((line) => JSON.parse(line));
    for (const message of messages) expect(message).toMatchObject({ jsonrpc: '2.0' });
    expect(messages.filter(({ id }) => id === 4)).toHaveLength(1);
    const progress = messages.filter(({ method }) => method === 'notifications/progress');
    expect(progress.length).toBeGreaterThan(1);
    for (const { params: sent } of progress) expect(sent.progressToken).toBe('mine');
    // The log is somewhere else, and is JSON as well.
    const logged = raw.stderr().trim().split('\n');
    expect(logged.length).toBeGreaterThan(1);
    for (const line of logged) expect(JSON.parse(line)).toMatchObject({ name: 'front', msg: expect.any(String) });
  });

  test('says nothing to a client that closes it at once', async () => {
    const raw = startRaw();
    expect(await raw.end()).toBe(0);
    expect(raw.stdout).toEqual([]);
  });
});
