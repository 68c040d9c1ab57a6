import { hasScope, requireScope, toModelManagerError } from '@aimm/contracts';
import type { Caller, Manager } from '@aimm/manager';
import type { Logger } from '@aimm/runtime';
import {
  type McpServer,
  ProtocolError,
  ProtocolErrorCode,
  type ReadResourceResult,
  ResourceTemplate,
} from '@modelcontextprotocol/server';
import type { JsonResource, JsonResourceTemplate } from './define-resource.ts';
import { formatError } from './errors.ts';

interface ResourceContext {
  manager: () => Promise<Manager>;
  caller: Caller;
  logger: Logger;
}

export function registerResource(server: McpServer, resource: JsonResource, options: ResourceContext): void {
  const { name, uri, title, description, cacheHint } = resource;
  server.registerResource(name, uri, { title, description, mimeType: 'application/json', cacheHint }, () =>
    readAsJson(uri, options, resource),
  );
}

export function registerTemplate(server: McpServer, template: JsonResourceTemplate, options: ResourceContext): void {
  const { name, uriTemplate, title, description, cacheHint, scopes, read, complete } = template;
  const { manager, caller, logger } = options;
  const completeId = async (begun: string) => {
    if (!hasScope(caller, scopes)) return [];
    try {
      return await complete(await manager(), caller, begun);
    } catch (error) {
      logger.warn({ err: error, resource: name }, 'Ids could not be completed');
      return [];
    }
  };
  const resource = new ResourceTemplate(uriTemplate, { list: undefined, complete: { id: completeId } });
  server.registerResource(
    name,
    resource,
    { title, description, mimeType: 'application/json', cacheHint },
    (uri, { id }) => readAsJson(uri.href, options, { scopes, read: (opened) => read(opened, caller, String(id)) }),
  );
}

async function readAsJson(
  uri: string,
  { manager, caller, logger }: ResourceContext,
  { scopes, read }: Pick<JsonResource, 'scopes' | 'read'>,
): Promise<ReadResourceResult> {
  try {
    requireScope(caller, scopes, `The resource ${uri}`);
    const value = await read(await manager(), caller);
    return { contents: [{ uri, mimeType: 'application/json', text: JSON.stringify(value, undefined, 2) }] };
  } catch (thrown) {
    const error = toModelManagerError(thrown);
    logger.warn({ err: error, uri }, 'Resource could not be read');
    const code = error.code === 'invalid_request' ? ProtocolErrorCode.InvalidParams : ProtocolErrorCode.InternalError;
    throw new ProtocolError(code, formatError(error.toShape()));
  }
}
