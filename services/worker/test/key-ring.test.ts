import { type KeyHealth, ModelManagerError } from '@aimm/contracts';
import { createProvider } from '@aimm/providers';
import { describe, expect, it } from 'vitest';
import { createKeyRing, type KeyName, type ProviderKey } from '../src/key-ring.ts';

const minute = 60_000;
const refusal = (code: 'authentication' | 'quota_exceeded' | 'server_error') => new ModelManagerError(code, 'no');

function toKey(label: string, source: KeyName['source'] = 'database'): ProviderKey {
  const provider = createProvider({
    id: 'mistral',
    kind: 'mistral',
    apiKey: `key-${label}`,
    keyRequired: true,
    demo: false,
    firstByteTimeoutMs: 1_000,
    idleTimeoutMs: 1_000,
    describeModel: () => undefined,
  });
  return { provider, name: { id: label, label, source } };
}

function createRing(labels: string[], unreadable: (KeyName & { problem: string })[] = []) {
  let clock = 1_000_000;
  const changes: string[] = [];
  const keys = labels.map((label) => toKey(label));
  const ring = createKeyRing({
    keys,
    unreadable,
    now: () => clock,
    onChange: ({ label }, failure) =>
      changes.push(failure === undefined ? `${label} is back` : `${label} ${failure.code} ${failure.until - clock}`),
  });
  const states = () => ring.keyHealth().map(({ label, state }: KeyHealth) => `${label} ${state}`);
  const turns = (count: number) => Array.from({ length: count }, () => ring.next()?.name?.label).join('');
  return { ring, keys, changes, states, turns, pass: (ms: number) => (clock += ms) };
}

const at = (keys: ProviderKey[], index: number) => keys[index] ?? toKey('none');

describe('the keys of a provider', () => {
  it('are used in turn', () => {
    expect(createRing(['a', 'b', 'c']).turns(7)).toBe('abcabca');
  });

  it('take the one with the fewest calls under way', () => {
    const { ring, keys, turns } = createRing(['a', 'b', 'c']);
    const release = ring.hold(at(keys, 0));
    ring.hold(at(keys, 2));
    expect(turns(3)).toBe('bbb');
    ring.hold(at(keys, 1));
    ring.hold(at(keys, 1));
    release();
    expect(turns(2)).toBe('aa');
  });

  it('leave a refused one out for ten minutes, and then try it again', () => {
    const { ring, keys, changes, states, turns, pass } = createRing(['a', 'b', 'c']);
    ring.report(at(keys, 1), refusal('authentication'));
    expect(turns(4)).not.toContain('b');
    expect(states()).toEqual(['a in_use', 'b set_aside', 'c in_use']);
    pass(10 * minute - 1);
    expect(turns(4)).not.toContain('b');
    pass(1);
    expect(states()).toEqual(['a in_use', 'b in_use', 'c in_use']);
    expect(turns(3)).toContain('b');
    ring.report(at(keys, 1), undefined);
    expect(changes).toEqual([`b authentication ${10 * minute}`, 'b is back']);
  });

  it('leave one out longer each time that its quota is used up, up to four hours', () => {
    const { ring, keys, changes, pass } = createRing(['a']);
    for (let times = 0; times < 7; times += 1) {
      ring.report(at(keys, 0), refusal('quota_exceeded'));
      pass(240 * minute);
    }
    ring.report(at(keys, 0), undefined);
    ring.report(at(keys, 0), refusal('quota_exceeded'));
    const minutes = changes.map((change) => Number(/\d+$/.exec(change)?.[0] ?? 0) / minute);
    expect(minutes).toEqual([10, 20, 40, 80, 160, 240, 240, 0, 10]);
  });

  it('leave one out no longer for many calls that its quota’s end met at once, here or in other workers', () => {
    const { ring, keys, changes, pass } = createRing(['a', 'b']);
    for (let calls = 0; calls < 6; calls += 1) ring.report(at(keys, 0), refusal('quota_exceeded'));
    // What the workers noted comes back from the database in any order.
    for (const ms of [3, -2, 1]) ring.adopt('a', { at: 1_000_000 + ms, code: 'quota_exceeded' });
    expect(at(keys, 0).aside).toMatchObject({ since: 1_000_003, until: 1_000_003 + 10 * minute, times: 1 });
    pass(11 * minute);
    ring.report(at(keys, 0), refusal('quota_exceeded'));
    expect(changes.at(-1)).toBe(`a quota_exceeded ${20 * minute}`);
  });

  it('that are all refused take turns, and a try in vain makes no wait longer than it was', () => {
    const { ring, keys, changes, pass } = createRing(['a', 'b']);
    const tried = Array.from({ length: 6 }, () => {
      const key = ring.next();
      ring.report(key ?? at(keys, 0), refusal('quota_exceeded'));
      pass(minute);
      return key?.name?.label;
    });
    expect(tried.join('')).toBe('ababab');
    expect(new Set(changes)).toEqual(new Set([`a quota_exceeded ${10 * minute}`, `b quota_exceeded ${10 * minute}`]));
  });

  it('are not to blame for other failures', () => {
    const { ring, keys, changes, states } = createRing(['a', 'b']);
    ring.report(at(keys, 0), refusal('server_error'));
    expect(states()).toEqual(['a in_use', 'b in_use']);
    expect(changes).toEqual([]);
  });

  it('that are all refused are tried once per request: the one first that comes back soonest', () => {
    const { ring, keys, pass } = createRing(['a', 'b']);
    ring.report(at(keys, 1), refusal('authentication'));
    pass(minute);
    ring.report(at(keys, 0), refusal('authentication'));
    const first = ring.next();
    expect(first?.name?.label).toBe('b');
    const refused = new Set(first === undefined ? [] : [first]);
    expect(ring.hasNext(refused)).toBe(false);
    expect(ring.next(refused)).toBeUndefined();
  });

  it('learn from the database what other workers found out, and forget it with them', () => {
    const { ring, states, changes, pass } = createRing(['a', 'b']);
    const failure = { at: 1_000_000 - 9 * minute, code: 'authentication' };
    ring.adopt('a', failure);
    expect(states()).toEqual(['a set_aside', 'b in_use']);
    pass(minute);
    expect(states()).toEqual(['a in_use', 'b in_use']);
    ring.adopt('a', { ...failure, at: failure.at + 2 * minute });
    expect(states()).toEqual(['a set_aside', 'b in_use']);
    ring.adopt('a', undefined);
    expect(states()).toEqual(['a in_use', 'b in_use']);
    ring.adopt('gone', failure);
    expect(changes).toEqual([]);
  });

  it('keep what they found out themselves until the database has it', () => {
    const { ring, keys, states } = createRing(['a', 'b']);
    ring.report(at(keys, 0), refusal('authentication'));
    // The database was read before our note was in it.
    ring.adopt('a', undefined);
    expect(states()).toEqual(['a set_aside', 'b in_use']);
  });

  it('that cannot be read are told with the reason, and are not used', () => {
    const locked = { id: 'k', label: 'locked', source: 'database' as const, fingerprint: '…x', problem: 'Locked.' };
    const { ring, states } = createRing([], [locked]);
    expect(ring.isAvailable()).toBe(false);
    expect(ring.problem).toBe('Locked.');
    expect(states()).toEqual(['locked unreadable']);
    expect(JSON.stringify(ring.keyHealth())).toContain('"reason":"Locked."');
  });

  it('tell the limits that are left until those are whole again', () => {
    const { ring, pass } = createRing(['a']);
    expect(ring.limits()).toBeUndefined();
    ring.noteResponse({ 'x-ratelimit-remaining-requests': '3', 'x-ratelimit-reset-requests': '2s' });
    ring.noteResponse({ 'content-type': 'text/event-stream' });
    expect(ring.limits()).toMatchObject({ requestsRemaining: 3 });
    pass(2_000);
    expect(ring.limits()).toBeUndefined();
  });
});
