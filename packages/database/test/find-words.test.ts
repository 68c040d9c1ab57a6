import { describe, expect, it } from 'vitest';
import { createWordFinder } from '../src/find-words.ts';

const find = (text: string, ...words: string[]) =>
  createWordFinder(words.map((word) => ({ text: word.replace('*', ''), isBeginning: word.endsWith('*') })))(text);

describe('a text that is looked through', () => {
  it.each([
    ['a beginning', 'Deep snow', ['sno*'], 'Deep **snow**'],
    ['whatever the case', 'DEEP SNOW', ['sno*'], 'DEEP **SNOW**'],
    ['whatever the accents', 'Füchse hören gut', ['fuch*', 'hor*'], '**Füchse** **hören** gut'],
    ['accents in what is asked', 'Fuchse', ['Füch*'], '**Fuchse**'],
    ['several words in any order', 'plum cake', ['ca*', 'plum'], '**plum** **cake**'],
    ['words with something between', "Grandma's butter", ["grandma's", 'b*'], "**Grandma**'**s** **butter**"],
    ['a beginning behind something', 'version 2.14 it is', ['2.1*'], 'version **2**.**14** it is'],
  ])('has %s', (_what, text, words, snippet) => {
    expect(find(text, ...words)).toBe(snippet);
  });

  it.each([
    ['the middle of a word', 'seesnow', ['sno*']],
    ['one of two words only', 'snow', ['sno*', 'rain']],
    ['a whole word that only begins so', 'snowing', ['snow', 'sno*']],
    ['parts that stand apart', 'version 2 is 14', ['2.1*']],
    ['nothing', '', ['a*']],
  ])('has not: %s', (_what, text, words) => {
    expect(find(text, ...words)).toBeUndefined();
  });

  it('is cut around the first of the words', () => {
    const text = Array.from({ length: 60 }, (_, index) => `w${index}`).join(' ');
    expect(find(text, 'w30')).toBe('…w26 w27 w28 w29 **w30** w31 w32 w33 w34 w35 w36 w37 w38 w39 w40 w41…');
    expect(find(text, 'w59')).toBe('…w55 w56 w57 w58 **w59**');
  });
});
