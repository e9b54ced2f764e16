// A real browser for the page's tests: Debian's Chromium, installed once when it is missing.

import { existsSync } from 'node:fs';
import { chromium, type Browser } from 'playwright-core';

import { runToEnd, shared } from './shared.js';

const executable = '/usr/bin/chromium';

/** Starts a headless browser of one test's own; the caller closes it. */
export async function launchChromium(): Promise<Browser> {
  await shared('chromium', async () => {
    if (!existsSync(executable)) {
      await runToEnd('apt-get', ['update', '-qq']);
      const packages = ['chromium', 'fonts-dejavu-core'];
      await runToEnd('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages]);
    }
    const said = await runToEnd(executable, ['--version', '--no-sandbox']);
    const version = /^Chromium [\d.]+/m.exec(said)?.[0] ?? 'Chromium';
    return { pid: 0, address: executable, what: `${version} (Debian)` };
  });
  return chromium.launch({
    executablePath: executable,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking'],
  });
}
