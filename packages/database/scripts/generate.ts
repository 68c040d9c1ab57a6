/**
 * Generates a Prisma client per database into `generated/<provider>`, from the one set of models.
 * Nothing is downloaded: the client needs no engine, and the command only wants to see that one is there.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { env, execPath, exit } from 'node:process';

const root = join(import.meta.dirname, '../../..');
const generated = join(import.meta.dirname, '../generated');
const prisma = createRequire(import.meta.url).resolve('prisma/build/index.js');

rmSync(generated, { recursive: true, force: true });
for (const provider of ['sqlite', 'postgresql']) {
  // A folder of its own and no symbolic link: a checkout on Windows has none.
  const schema = join(generated, 'schema', provider);
  mkdirSync(schema, { recursive: true });
  cpSync(join(root, 'prisma', provider, 'base.prisma'), join(schema, 'base.prisma'));
  cpSync(join(root, 'prisma/models'), schema, { recursive: true });

  const { status } = spawnSync(execPath, [prisma, 'generate', '--schema', schema, '--no-hints'], {
    stdio: ['ignore', 'ignore', 'inherit'],
    cwd: join(import.meta.dirname, '..'),
    env: {
      ...env,
      PRISMA_SCHEMA_ENGINE_BINARY: execPath,
      PRISMA_HIDE_UPDATE_MESSAGE: '1',
      CHECKPOINT_DISABLE: '1',
    },
  });
  if (status !== 0) exit(status ?? 1);
}
