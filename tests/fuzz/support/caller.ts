import type { CallToolResult } from '@modelcontextprotocol/client';
import { AjvJsonSchemaValidator } from '@modelcontextprotocol/client/validators/ajv';
import type { Deployment } from '../../support/deployment.ts';
import type { Face, McpClient } from '../../support/mcp-client.ts';
import { within } from './fuzz.ts';
import { type Schema } from './tool-input.ts';
import { isAlive, type Watch, type Watched } from './watch.ts';

/** A real MCP client whose every answer is looked at. */
export interface Caller {
  /** The front that serves it. */
  front(): Promise<Watched>;
  tools(): Promise<{ name: string; inputSchema: Schema }[]>;
  /** Calls a tool. @throws where the answer is late, unclean, against its schema, or an internal error */
  call(tool: string, args: unknown): Promise<{ text: string; status: unknown }>;
  /** Whatever else a client may ask; refusals are answers too. */
  ask(what: (mcp: McpClient) => Promise<unknown>): Promise<void>;
}

export interface CallerOptions {
  deployment: Deployment;
  face: Face;
  watch: Watch;
  /** Ids of requests that were told to a client. */
  told: Set<string>;
}

const idPattern = /(?:gen|cmp)_[0-9a-f]{8}-[0-9a-f-]{27}/g;

export function createCaller({ deployment, face, watch, told }: CallerOptions): Caller {
  const validators = new AjvJsonSchemaValidator();
  const check = new Map<string, ReturnType<typeof validators.getValidator>>();
  let connecting: Promise<McpClient> | undefined;
  let mcp: McpClient | undefined;
  let looked = 0;
  const httpPid = () => deployment.httpFront()?.pid ?? 0;

  /** The client, or a new one where its front has ended: a counterexample is made smaller on a living one. */
  const connect = async () => {
    if (mcp !== undefined && !isAlive(mcp.pid ?? httpPid())) connecting = undefined;
    connecting ??= deployment.connect(face).then((opened) => {
      looked = 0;
      return (mcp = opened);
    });
    return connecting;
  };
  const look = ({ received }: McpClient) => {
    const answers = received.slice(looked);
    looked += answers.length;
    for (const answer of answers) {
      watch.requireClean(answer.replaceAll(String.raw`\n`, '\n'));
      for (const [id] of answer.matchAll(idPattern)) told.add(id);
    }
  };
  const front = async (): Promise<Watched> => {
    const opened = await connect();
    return opened.pid === undefined
      ? { name: 'the HTTP front', pid: httpPid(), log: () => deployment.httpLog() }
      : { name: 'the stdio front', pid: opened.pid, log: () => opened.log() };
  };

  /** Undefined where it was refused. */
  const ask = async (what: (mcp: McpClient) => Promise<unknown>) => {
    const opened = await connect();
    try {
      return await within('an answer', what(opened));
    } catch (error) {
      requireRefusal(error);
      watch.requireClean(String(error));
      return undefined;
    } finally {
      look(opened);
    }
  };

  return {
    front,
    async tools() {
      const { client } = await connect();
      const { tools } = await client.listTools();
      for (const { name, outputSchema } of tools)
        if (outputSchema !== undefined) check.set(name, validators.getValidator(outputSchema));
      return tools as { name: string; inputSchema: Schema }[];
    },
    async call(tool, args) {
      // The cast lets through what a client in another language might send.
      const outcome = await ask(({ client }) =>
        client.callTool({ name: tool, arguments: args as Record<string, unknown> }),
      );
      if (outcome === undefined) return { text: '', status: undefined };
      const result = outcome as CallToolResult; // what `callTool` gave
      const text = result.content.map((block) => (block.type === 'text' ? block.text : block.type)).join('\n');
      if (/\(error: internal\b/.test(text)) throw new Error(`${tool} failed inside: ${text}`);
      const validity = result.isError === true ? undefined : check.get(tool)?.(result.structuredContent);
      if (validity?.valid === false) throw new Error(`${tool} answered against its schema: ${validity.errorMessage}`);
      return { text, status: (result.structuredContent as { status?: unknown } | undefined)?.status };
    },
    ask: async (what) => void (await ask(what)),
  };
}

/** An error, in JSON-RPC or HTTP, that blames the question. */
function requireRefusal(error: unknown): void {
  const { code, status } = error as { code?: unknown; status?: unknown }; // whatever was thrown has fields or none
  const refused = typeof status === 'number' ? status < 500 : typeof code === 'number' && code !== -32_603;
  if (!refused) throw error;
}
