import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Logger, RawEnvironment, RuntimeEnvironment } from '@aimm/runtime';

/** As many ports above the usual one are tried, by twos: the other face's usual port lies between. */
const tries = 20;
const step = 2;

/** The HTTP front and the dashboard, as their variables begin. */
export type Face = 'HTTP' | 'DASHBOARD';

/**
 * Where the faces of this stack listen, for ports that the user leaves to us: the usual one, or the next free one
 * where another stack has that. Gives what their environment needs beside the rest; a port that was chosen is left as it is.
 */
export async function chooseFacePorts(
  env: Pick<RuntimeEnvironment, 'HTTP_HOST' | 'HTTP_PORT' | 'DASHBOARD_HOST' | 'DASHBOARD_PORT'>,
  raw: RawEnvironment,
  { faces, logger }: { faces: readonly Face[]; logger: Logger },
): Promise<RawEnvironment> {
  const chosen = await Promise.all(
    faces.map(async (face) => {
      const [name, host, usual] = [`${face}_PORT` as const, env[`${face}_HOST`], env[`${face}_PORT`]];
      if (raw[name] !== undefined && raw[name] !== '') return [];
      const port = await findFreePort(host, usual);
      if (port === usual) return [];
      logger.warn(
        { variable: name, usual, port },
        'Another process listens on the usual port: taking the next free one',
      );
      return [[name, String(port)] as const];
    }),
  );
  return Object.fromEntries(chosen.flat());
}

/** The usual one, too, where none is free or another fault is in the way: whoever listens there tells it. */
async function findFreePort(host: string, usual: number): Promise<number> {
  for (let port = usual; port <= usual + tries * step; port += step) {
    if ((await tryPort(host, port)) !== 'EADDRINUSE') return port;
  }
  return usual;
}

/** The code of what keeps us from listening there. */
export async function tryPort(host: string, port: number): Promise<string | undefined> {
  const server = createServer();
  try {
    await once(server.listen({ host, port, exclusive: true }), 'listening');
    server.close();
    await once(server, 'close');
    return undefined;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException; // of `listen`
    return code ?? message;
  }
}
