import { readFileSync } from 'node:fs';
import { rareFields, settingFields } from '@aimm/batch/input';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { createProgram } from '../src/program.ts';
import { binPath } from '../src/stack/bin-path.ts';

/** Every command that a person may call. */
function listCommands(command: Command, path: string[] = []): { path: string[]; command: Command }[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .filter((sub) => sub.name() !== 'help')
    .flatMap((sub) => {
      const own = [...path, sub.name()];
      const below = listCommands(sub, own);
      return sub.registeredArguments.length > 0 || sub.options.length > 0 || below.length === 0
        ? [{ path: own, command: sub }, ...below]
        : below;
    });
}

function helpOf(command: Command): string {
  let text = '';
  command.configureOutput({ writeOut: (piece) => (text += piece) });
  command.outputHelp();
  return text;
}

/** The words of one line of a shell. */
function toWords(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
    ([, double, single, bare]) => double ?? single ?? bare ?? '',
  );
}

const commands = listCommands(createProgram());
const examples = commands.flatMap(({ path, command }) =>
  [...helpOf(command).matchAll(/^ {2}\$ (.*)$/gm)].map(([, line = '']) => ({ name: path.join(' '), line })),
);

const page = readFileSync(new URL('../../../docs/cli.md', import.meta.url), 'utf8');
const blocks = [...page.matchAll(/^```sh\n(.*?)^```/gms)].map(([, block = '']) => block);
const documented = blocks.flatMap((block) => block.split('\n').map((line) => line.replace(/\s+#.*$/, '')));
const lines = [...examples.map(({ line }) => line), ...documented].filter((line) => /\baimm [a-z]/.test(line));

describe('help', () => {
  it('knows every command of the surface', () => {
    const names = new Set(commands.map(({ path }) => path[0]));
    const surface =
      'mcp up down status worker dashboard migrate generate compare models usage conversations keys tokens doctor preferences completion';
    for (const name of surface.split(' ')) expect(names).toContain(name);
  });

  it.each(commands.map(({ path }) => path.join(' ')))('of %s has two examples at least', (name) => {
    expect(examples.filter((example) => example.name === name).length).toBeGreaterThanOrEqual(2);
  });

  it('stands in docs/cli.md for every command', () => {
    for (const { path } of commands) expect(page).toContain(`aimm ${path.join(' ')}`);
  });

  it.each(lines)('the example works: %s', async (line) => {
    // What a shell would not pass on.
    const [, rest = ''] = /(?:^|\s|\()aimm\s+(.*)$/.exec(line) ?? [];
    const args = toWords(rest.replace(/\s*(\||>>?|<\s).*$/, '').replace(/\)$/, ''));
    const program = createProgram();
    let ran: string | undefined;
    const replaceActions = (command: Command) => {
      command.configureOutput({ writeErr: () => undefined, outputError: () => undefined });
      const runs = command.commands.length === 0 || command.name() === 'models';
      if (command !== program && runs) command.action(() => void (ran = command.name()));
      command.commands.forEach(replaceActions);
    };
    replaceActions(program);
    await program.parseAsync(args, { from: 'user' });
    expect(ran).toBeDefined();
  });

  it('has an option for every setting of a question, as docs/cli.md says', () => {
    const optionsOf = (name: string) =>
      commands.find(({ path }) => path.join(' ') === name)?.command.options.map(({ long }) => long) ?? [];
    const [generate, compare] = [optionsOf('generate'), optionsOf('compare')];
    const named: Record<string, string[]> = { images: ['--image'], response_format: ['--format', '--schema'] };
    const wanted = Object.keys({ ...settingFields, ...rareFields }).flatMap(
      (name) => named[name] ?? [`--${name.replaceAll('_', '-')}`],
    );
    expect(generate).toEqual(expect.arrayContaining([...wanted, '--cache', '--no-cache']));
    expect(compare).toEqual(expect.arrayContaining(wanted));
    const [, section = ''] = page.split('### aimm generate');
    const [told = ''] = section.split('### aimm compare');
    expect(generate.filter((long) => !told.includes(`\`${long}`))).toEqual([]);
  });

  // In another project's folder npx would fetch whatever npm has by the name.
  it('gives MCP clients the place of this checkout, which works from every folder', () => {
    const added = examples.filter(({ line }) => line.includes('mcp add')).map(({ line }) => line);
    expect(added).toEqual([`claude mcp add ai-model-manager -- node ${binPath} mcp`]);
  });

  it('tells of --json with every command', () => {
    const without = commands
      .filter(
        ({ command }) =>
          ![...command.options, ...(command.parent?.options ?? [])].some(({ long }) => long === '--json'),
      )
      .map(({ path }) => path.join(' '));
    // Those speak a protocol, serve, or play for an audience.
    expect(without).toEqual(['mcp', 'worker', 'dashboard', 'demo']);
  });
});
