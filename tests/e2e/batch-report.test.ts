import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { pathToFileURL } from 'node:url';
import { renderResults } from '@aimm/batch';
import { createSampleBatch, join, stream } from '@aimm/batch/sample-batch';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { launchBrowser } from '../support/browser.ts';

let dir: string;
let browser: Browser;

beforeAll(async () => {
  dir = await mkdtemp(joinPath(tmpdir(), 'aimm-report-'));
  browser = await launchBrowser();
});

afterAll(async () => {
  await browser?.close();
  await rm(dir, { recursive: true, force: true });
});

/** Opens a report from disk. `problems`: what the browser complains about, and whatever is asked of anybody. */
async function openReport(
  { view, results }: ReturnType<typeof createSampleBatch>,
  viewport = { width: 1400, height: 1000 },
): Promise<{ page: Page; problems: string[] }> {
  const file = joinPath(dir, `report-${results.length}-${viewport.width}.html`);
  await writeFile(file, await join(renderResults('html', view, stream(results))));
  const context = await browser.newContext({ viewport });
  const page = await context.newPage();
  const problems: string[] = [];
  page.on('console', (message) => problems.push(message.text()));
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('request', (request) => {
    if (request.url() !== pathToFileURL(file).href && request.url() !== 'data:,')
      problems.push(`asked ${request.url()}`);
  });
  await page.goto(pathToFileURL(file).href);
  await page.locator('.matrix').waitFor();
  return { page, problems };
}

const itemIds = (page: Page) => page.locator('.matrix .id').allInnerTexts();

describe('a report of 2,000 items over five models', () => {
  let page: Page;
  let problems: string[];
  const batch = createSampleBatch(2_000, 5);
  beforeAll(async () => {
    ({ page, problems } = await openReport(batch));
  });
  const clear = () => page.getByRole('button', { name: 'Clear' }).click();
  const status = () => page.getByRole('status').innerText();

  test('shows the items side by side, page by page', async () => {
    expect(await status()).toBe('Items 1 to 25 of 2,000');
    expect(await page.locator('.matrix thead th').allInnerTexts()).toEqual([
      'Item',
      ...batch.view.columns.slice(0, 5).map(({ column }) => `${column.provider}/${column.model}`),
    ]);
    const [first] = batch.results;
    const cells = await page.locator('.matrix tbody tr').first().locator('td').allInnerTexts();
    for (const [index, cell] of cells.entries()) {
      const { text, error } = first?.generations[index] ?? {};
      expect(cell).toContain(text?.split('\n')[0] ?? error?.message ?? '');
    }
    await page.getByRole('button', { name: 'Last page' }).first().click();
    expect((await itemIds(page)).at(-1)).toBe('2000');
    await page.keyboard.press('p');
    expect(await status()).toBe('Items 1,951 to 1,975 of 2,000');
    await page.getByRole('button', { name: 'First page' }).first().click();
  });

  test('search finds words in prompts and answers', async () => {
    await page.keyboard.press('/');
    await page.keyboard.type('(1234) deutsch');
    await page.getByText('No item that fit, of 2,000').waitFor();
    await page.getByRole('searchbox').fill('(1235) DEUTSCH');
    await page.getByText('Items 1 to 1 of 1 that fit, of 2,000').waitFor();
    expect(await itemIds(page)).toEqual(['1235']);
    await clear();
    await page.getByText('Items 1 to 25 of 2,000').waitFor();
  });

  test('filters by status, failed assertion and model work together', async () => {
    const failed = (columns: number[]) =>
      batch.results.filter(({ generations }) =>
        generations.some((each) => columns.includes(each.column) && each.status === 'failed'),
      );
    await page.getByLabel('Status').selectOption('failed');
    expect(await status()).toBe(`Items 1 to 25 of ${failed([0, 1, 2, 3, 4]).length} that fit, of 2,000`);
    for (const { column } of batch.view.columns.slice(1, 5))
      await page.getByRole('checkbox', { name: `${column.provider}/${column.model}` }).uncheck();
    expect(await status()).toBe(`Items 1 to 25 of ${failed([0]).length} that fit, of 2,000`);
    expect(await page.locator('.matrix thead th').count()).toBe(2);
    expect(await page.locator('.matrix tbody .failure').count()).toBe(25);
    await clear();
    await page.getByLabel('Failed assertion').selectOption('contains');
    const wrong = batch.results.filter(({ generations }) =>
      generations.some((each) => each.assertions?.some(({ name, passed }) => name === 'contains' && !passed)),
    );
    expect(await status()).toContain(` of ${wrong.length.toLocaleString('en-US')} that fit`);
    await clear();
    await page.locator('.matrix thead th').nth(5).waitFor();
  });

  test('differences from a chosen model are marked in the others', async () => {
    await page.getByLabel('Compare with').selectOption({ label: 'openai/gpt-5-mini' });
    const cells = page.locator('.matrix tbody tr td:nth-child(3)');
    const texts = batch.results.slice(0, 25).map(({ generations }) => [generations[0]?.text, generations[1]?.text]);
    const differing = texts.findIndex(([a, b]) => a !== undefined && b !== undefined && a !== b && b.length < 300);
    const marked = cells.nth(differing).locator('.text');
    await marked.locator('ins, del').first().waitFor();
    const kept = await page.evaluate(
      `[...document.querySelectorAll('.matrix tbody tr')[${differing}].children[2].querySelector('.text span').childNodes]
        .filter((node) => node.nodeName !== 'DEL').map((node) => node.textContent).join('')`,
    );
    expect(kept).toBe(texts[differing]?.[1]);
    expect(await page.locator('.matrix tbody tr td:nth-child(2)').locator('ins, del').count()).toBe(0);
    await clear();
    await page.locator('.matrix ins').first().waitFor({ state: 'detached' });
  });

  test('the summary is sorted by the heading that is pressed, and the other way when it is pressed again', async () => {
    const models = () => page.locator('.summary tbody th').allInnerTexts();
    const given = await models();
    const header = page.getByRole('columnheader', { name: 'p50' });
    const latency = batch.view.columns
      .slice(0, 5)
      .map(({ column, latencyP50Ms = 0 }) => [`${column.provider}/${column.model}`, latencyP50Ms] as const);
    const fastest = latency.toSorted((a, b) => a[1] - b[1]).map(([name]) => name);
    await header.getByRole('button').click();
    expect(await models()).toEqual(fastest);
    expect(await header.getAttribute('aria-sort')).toBe('ascending');
    await header.getByRole('button').focus();
    await page.keyboard.press('Enter');
    expect(await models()).toEqual(fastest.toReversed());
    expect(given).toHaveLength(5);
  });

  test('charts name each point and its values, to the pointer and to the keyboard', async () => {
    const point = page.getByRole('img', { name: /^mistral\/mistral-medium-latest: pass rate \d+ %, latency, p50 / });
    await point.focus();
    const says = (await point.getAttribute('aria-label')) ?? '';
    expect(await page.locator('.tip:visible').innerText()).toBe(says);
    await page.getByLabel('Quality').selectOption('score');
    await page
      .getByRole('img', { name: /^openai\/gpt-5-mini: judge’s score/ })
      .first()
      .waitFor();
  });

  test('nothing was complained of, and nobody was asked for anything', () => {
    expect(problems).toEqual([]);
  });
});

test('an answer is never markup or script, and leaves the page whole', async () => {
  const answer = `</script><script>globalThis.caught = true</script><img src=x onerror="globalThis.caught = true"><!--<script>`;
  const { page, problems } = await openReport(createSampleBatch(3, 2, { answer }), { width: 400, height: 900 });
  expect(await page.locator('.matrix td .text').first().innerText()).toContain(answer);
  expect(await page.evaluate('globalThis.caught')).toBeUndefined();
  expect(await page.locator('main img').count()).toBe(0);
  expect(problems).toEqual([]);
  // On a narrow screen nothing is wider than it; the summary scrolls by itself.
  expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
});

test.each([1400, 380])(
  'in a window of %i names and ticks of charts stand apart, also of points that lie on each other',
  async (width) => {
    const { view, results } = createSampleBatch(3, 5);
    const [like] = view.columns;
    // Two of one kind, and three that differ by nearly nothing.
    const alike = (index: number) => ({
      ...like,
      costNanoUsd: 1_000_000 + (index < 2 ? 0 : index),
      latencyP50Ms: 800 + (index < 2 ? 0 : index),
      passed: 2,
      asserted: 3,
    });
    const columns = view.columns.map((summary, index) =>
      index < 5 ? { ...alike(index), column: summary.column } : summary,
    );
    const batch = { view: { ...view, columns } as typeof view, results };
    const { page, problems } = await openReport(batch, { width, height: 900 });
    const overlaps = await page.evaluate(`[...document.querySelectorAll('.chart svg')].flatMap((svg) => {
    const boxes = [...svg.querySelectorAll('text')].map((text) => ({ name: text.textContent, box: text.getBoundingClientRect() }));
    return boxes.flatMap((a, index) => boxes.slice(index + 1).flatMap((b) =>
      a.box.left < b.box.right - 1 && b.box.left < a.box.right - 1 &&
      a.box.top < b.box.bottom - 3 && b.box.top < a.box.bottom - 3 ? [a.name + ' on ' + b.name] : []));
  })`);
    expect(overlaps).toEqual([]);
    expect(await page.locator('.chart .point text').allTextContents()).toContain('gpt-5-mini');
    expect(problems).toEqual([]);
  },
);
