import type { McpHttpHandler } from '@modelcontextprotocol/server';
import type { Request as NodeRequest, RequestHandler, Response as NodeResponse } from 'express';
import { pipeline } from 'node:stream/promises';

/**
 * Hands requests, their bodies parsed already, to the MCP handler, which speaks in web requests. The SDK's own adapter writes each
 * body as JSON once more, though nobody reads it, and sends an answer in JSON in three pieces.
 */
export function createWebAdapter({ fetch }: McpHttpHandler): RequestHandler {
  return async (req, res) => {
    const gone = new AbortController();
    res.once('close', () => {
      if (!res.writableEnded) gone.abort();
    });
    // What `requireAdmission` put there.
    const { auth: authInfo } = req as { auth?: NonNullable<Parameters<typeof fetch>[1]>['authInfo'] };
    const parsedBody: unknown = req.body;
    const answer = await fetch(toWebRequest(req, gone.signal), {
      ...(authInfo !== undefined && { authInfo }),
      ...(parsedBody !== undefined && { parsedBody }),
    });
    await send(answer, res);
  };
}

function toWebRequest({ method, originalUrl, headers }: NodeRequest, signal: AbortSignal): Request {
  // Of a request's headers Node joins those that came twice; `set-cookie`, which it does not, is none of a request.
  return new Request(new URL(originalUrl, 'http://localhost'), {
    method,
    headers: headers as Record<string, string>,
    signal,
  });
}

async function send(answer: Response, res: NodeResponse): Promise<void> {
  res.status(answer.status);
  for (const [name, value] of answer.headers) res.setHeader(name, value);
  if (answer.headers.get('content-type') !== 'text/event-stream' || answer.body === null) {
    res.end(await answer.text());
    return;
  }
  // A client that leaves in the middle is no fault: the handler was told by the signal.
  await pipeline(answer.body, res).catch(() => undefined);
}
