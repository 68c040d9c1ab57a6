import { expect, it } from 'vitest';
import { withoutPassword } from '../src/commands/status.ts';

it.each([
  ['redis://:hush@host:6379', 'redis://:…@host:6379'],
  ['postgresql://me:hush@hush@host/db', 'postgresql://me:…@host/db'],
  [
    'postgresql://host/db?user=me&password=hush&sslmode=require',
    'postgresql://host/db?user=me&password=…&sslmode=require',
  ],
  ['redis://me@host', 'redis://me@host'],
  ['file:/data/aimm.db', 'file:/data/aimm.db'],
])('shows %s without a password', (url, shown) => {
  expect(withoutPassword(url)).toBe(shown);
});
