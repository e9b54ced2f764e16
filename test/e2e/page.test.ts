// The live page in a real browser: calls move, a click shows the timeline, the state of the link is always
// said, a tenant without calls learns how to begin, in light and in dark. Screenshots are kept.

import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { openInstallation } from '../../cli/installation.js';
import { simulatedProviders } from '../../cli/simulator/providers.js';
import { providerOf } from '../../ingest/providers/registry.js';
import { signTwilioForm } from '../ingest/signing.js';
import { readConfig } from '../../runtime/config.js';
import { silentLogger } from '../../runtime/logger.js';
import { createRegistryStore } from '../../runtime/registry-store.js';
import { tenantId } from '../../schemas/ids.js';
import { launchChromium } from '../services/chromium.js';
import { freshDirectory, startProduct, type Product } from '../services/product.js';
import { cacheDirectory, until } from '../services/shared.js';

const data = freshDirectory('page');
const screenshots = join(cacheDirectory, 'screenshots');
let browser: Browser;
let product: Product;

beforeAll(async () => {
  mkdirSync(screenshots, { recursive: true });
  [browser, product] = await Promise.all([
    launchChromium(),
    startProduct({ data, args: ['--demo'] }),
  ]);
});
afterAll(async () => {
  await browser.close();
  await product.end('SIGKILL');
  if (existsSync(join(data, 'lock.json'))) await (await startProduct({ data })).end('SIGTERM');
  rmSync(join(data, 'postgres'), { recursive: true, force: true });
});

/** A page and everything it complains about. */
class Watched {
  readonly complaints: string[] = [];

  private constructor(readonly page: Page) {
    page.on('pageerror', (error) => this.complaints.push(error.message));
    page.on('console', (message) => {
      const text = `${message.text()} ${message.location().url}`;
      if (message.type() === 'error' || message.type() === 'warning') this.complaints.push(text);
    });
  }

  static async open(colorScheme: 'light' | 'dark', url: string): Promise<Watched> {
    const context = await browser.newContext({
      colorScheme,
      viewport: { width: 1280, height: 860 },
      reducedMotion: 'reduce',
    });
    const page = await context.newPage();
    const watched = new Watched(page);
    await page.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => {
        reportError(new Error(`content security policy: ${violatedDirective} ${blockedURI}`));
      });
    });
    await page.goto(url);
    return watched;
  }

  shot(name: string): Promise<Buffer> {
    return this.page.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true });
  }
}

const linkState = (page: Page): Promise<string> => page.getByRole('status').innerText();

/** The text of each row, by call. */
async function rows(page: Page): Promise<ReadonlyMap<string, string>> {
  const found = await page
    .locator('tr[data-call]')
    .evaluateAll((all) => all.map((row) => [row.getAttribute('data-call'), row.textContent]));
  return new Map(found.map(([id, text]) => [id ?? '', text ?? '']));
}

describe('the board of the demo', () => {
  let light: Watched;

  beforeAll(async () => {
    light = await Watched.open('light', product.url);
  });

  test('shows calls that begin, move and end, live', async () => {
    const { page } = light;
    await until('the link to be live', async () => (await linkState(page)) === 'live');
    const statuses = new Map<string, Set<string>>();
    await until('calls to move and one to end', async () => {
      const moved = await page
        .locator('tr[data-call]')
        .evaluateAll((all) =>
          all.map((row) => [
            row.getAttribute('data-call') ?? '',
            row.querySelector('.status')?.className ?? '',
          ]),
        );
      for (const [id = '', status = ''] of moved) {
        statuses.set(id, (statuses.get(id) ?? new Set()).add(status));
      }
      const moving = [...statuses.values()].filter((seen) => seen.size > 1);
      return moving.length >= 3 && (await page.locator('.ended tr[data-call]').count()) > 0;
    });
    const active = Number(await page.locator('.tile b').first().innerText());
    expect(active).toBeGreaterThan(0);
    // Masked: two groups of digits around dots, and no whole number anywhere.
    const text = await page.locator('body').innerText();
    expect(text).toMatch(/\+1 \d{3} ••• \d{4}/);
    expect(text).not.toMatch(/\+?1?\d{10}/);
  });

  test('shows the calls of every provider that is played, all together or one alone', async () => {
    const { page } = light;
    const wanted = simulatedProviders.filter(({ calls }) => calls.length > 0);
    const titles = wanted.map(({ provider }) => providerOf(provider).guide.title);
    const buttons = page.locator('nav.providers button');
    const shown = async (): Promise<string[]> =>
      (await buttons.allInnerTexts()).map((text) => text.replace(/\s*\d+$/, ''));
    await until(
      'a call of each provider',
      async () => (await shown()).length > titles.length,
      60_000,
    );
    expect((await shown()).sort()).toEqual(['All providers', ...titles].sort());
    const [title = ''] = titles;
    const cells = page.locator('tr[data-call] td:nth-child(5)');
    await buttons.filter({ hasText: title }).first().click();
    await until('one provider alone', async () =>
      (await cells.allInnerTexts()).every((text) => text === title || !titles.includes(text)),
    );
    await light.shot('board-light-one-provider');
    await buttons.first().click();
  });

  test('shows the timeline of a call on click, and goes on showing it', async () => {
    const { page } = light;
    await page.locator('.ended tr[data-call]').first().click();
    await page.locator('.panel ol.timeline li').first().waitFor();
    const lines = await page.locator('.panel ol.timeline li').allInnerTexts();
    expect(lines.length).toBeGreaterThan(1);
    await light.shot('board-light');
    await page.getByLabel('Close the timeline').click();
    await page.locator('.panel').waitFor({ state: 'detached' });
    const chosen = page.locator('tr[data-call]').first();
    await chosen.focus();
    await chosen.press('Enter');
    await page.locator('.panel ol.timeline li').first().waitFor();
  });

  test('looks right in the dark, and small', async () => {
    const dark = await Watched.open('dark', product.url);
    await dark.page.locator('.ended tr[data-call]').first().click();
    await dark.page.locator('.panel ol.timeline li').first().waitFor();
    await dark.shot('board-dark');
    const background = (page: Page): Promise<string> =>
      page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    expect(await background(dark.page)).not.toBe(await background(light.page));
    await dark.page.getByLabel('Close the timeline').click();
    await dark.page.setViewportSize({ width: 390, height: 800 });
    await dark.shot('board-dark-small');
    const furthest = await dark.page.evaluate(() =>
      Math.max(...[...document.querySelectorAll('*')].map((e) => e.getBoundingClientRect().right)),
    );
    expect(furthest).toBeLessThanOrEqual(390);
    expect(dark.complaints).toEqual([]);
    await dark.page.context().close();
  });

  test('says that the link is lost, keeps what it knows, and is live again by itself', async () => {
    const { page } = light;
    expect(light.complaints).toEqual([]);
    const before = await rows(page);
    await product.end('SIGKILL');
    await until('the page to say it', async () =>
      /^reconnecting, last word at \d/.test(await linkState(page)),
    );
    await light.shot('board-light-reconnecting');
    expect((await rows(page)).size).toBe(before.size);
    product = await startProduct({ data, args: ['--demo'], port: product.port });
    await until('the link to be live again', async () => (await linkState(page)) === 'live');
    const known = await rows(page);
    const still = [...before.keys()].filter((id) => known.has(id));
    expect(still.length).toBeGreaterThan(0);
    await until('new calls', async () =>
      [...(await rows(page)).keys()].some((id) => !known.has(id)),
    );
    // A browser says on the console that nobody answered; nothing else may stand there.
    const unasked = light.complaints.filter((text) => !text.includes('ERR_CONNECTION_REFUSED'));
    expect(unasked).toEqual([]);
    await page.context().close();
  });
});

describe('a tenant without calls', () => {
  test('signs in with an API key, learns how to begin, and sees its first call', async () => {
    const { port } = product;
    await product.end('SIGTERM');
    product = await startProduct({ data, port });
    const { key, send } = await newTenant();
    const visitor = await Watched.open('light', product.url);
    const { page } = visitor;
    await page.getByLabel('API key of your tenant').waitFor();
    expect(visitor.complaints).toEqual([]);
    await visitor.shot('sign-in-light');
    await page.getByLabel('API key of your tenant').fill('tl_live_nobody_knows_this');
    await page.getByRole('button', { name: 'Sign in' }).click();
    expect(await page.getByRole('alert').innerText()).toContain('not known');
    visitor.complaints.length = 0;
    await page.getByLabel('API key of your tenant').fill(key);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('No calls yet').waitFor();
    expect(await page.locator('.empty').innerText()).toContain('trunkline endpoint add');
    expect(await linkState(page)).toBe('live');
    await visitor.shot('empty-light');
    await send();
    await page.locator('tr[data-call]').waitFor();
    expect(await page.getByText('No calls yet').count()).toBe(0);
    expect(visitor.complaints).toEqual([]);
    // The key is kept for this tab: a reload does not ask again.
    await page.reload();
    await page.locator('tr[data-call]').waitFor();
    expect(visitor.complaints).toEqual([]);
    await page.context().close();
  });
});

/** A tenant without calls, its key, and its first delivery. */
async function newTenant() {
  const read = readConfig({ TRUNKLINE_DATA: data });
  if (!read.ok) throw new Error(JSON.stringify(read.faults));
  const installation = await openInstallation(read.config, silentLogger, 'test');
  const store = createRegistryStore(installation.database, installation.keyRing);
  const tenant = tenantId('newcomer');
  const accountSid = 'AC00000000000000000000000000000177';
  const authToken = 'the-token-of-the-newcomer';
  await store.addTenant(tenant, 'Newcomer');
  const endpoint = await store.addEndpoint({
    ...{ tenant, provider: 'twilio', name: 'twilio', credentials: { accountSid, authToken } },
    ...{ publicBaseUrl: null, allow: [], ratePerSecond: null },
  });
  const { key } = await store.addKey({ tenant, role: 'viewer', name: 'page', expiresAt: null });
  await installation.close();
  const url = `${product.url}/v1/webhooks/${endpoint.id}`;
  const headers = { authorization: `Bearer ${key}` };
  await until('the endpoint and the key to be known', async () => {
    const answer = await fetch(url, { method: 'POST' });
    return answer.status !== 404 && (await fetch(`${product.url}/v1/calls`, { headers })).ok;
  });
  const fields = {
    ...{ AccountSid: accountSid, CallSid: `CA${'7'.repeat(32)}`, CallStatus: 'ringing' },
    ...{ From: '+15555550142', To: '+15555550100', Direction: 'inbound', ApiVersion: '2010-04-01' },
  };
  const send = async (): Promise<void> => {
    const { headers: signed, body } = signTwilioForm(url, fields, authToken);
    const answer = await fetch(url, {
      method: 'POST',
      headers: signed,
      body: new Uint8Array(body),
    });
    expect(answer.status).toBe(200);
  };
  return { key, send };
}
