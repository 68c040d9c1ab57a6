import type { Command } from 'commander';
import { runDemo } from '../demo/run-demo.ts';

export function addDemoCommand(program: Command): void {
  program
    .command('demo')
    .description('Show what it does: a throw-away stack with demo answers, driven by a real MCP client')
    .addHelpText('after', '\nExamples:\n  $ npm run demo\n  $ npx aimm demo\n')
    .action(runDemo);
}
