import { chromium } from 'playwright-core';
const [base, ...rest] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', chromiumSandbox: false, args: ['--disable-gpu', '--disable-background-networking'] });
for (const spec of rest) {
  const [path, file, scheme = 'light', width = '1280'] = spec.split('|');
  const ctx = await browser.newContext({ colorScheme: scheme, viewport: { width: Number(width), height: 900 } });
  const page = await ctx.newPage();
  page.on('console', (m) => console.log(file, m.type(), m.text()));
  page.on('pageerror', (e) => console.log(file, 'ERR', e.message));
  await page.goto(base + path); await page.waitForTimeout(1500);
  await page.screenshot({ path: `/tmp/dash/${file}.png`, fullPage: path === '/' });
  await ctx.close();
}
await browser.close();
