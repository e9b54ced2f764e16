// docs/providers and README’s list of providers are made from the providers' own files: these tests hold them
// to it (`npx vitest run test/cli/provider-pages.test.ts -u` writes the pages anew).

import { readdirSync, readFileSync } from 'node:fs';
import prettier from 'prettier';
import { describe, expect, it } from 'vitest';

import { stepsOf } from '../../cli/endpoint-show.js';
import { providerIndex, providerPage, providerTable } from '../../cli/provider-pages.js';
import { findProvider, providerNames } from '../../ingest/providers/registry.js';

const folder = new URL('../../docs/providers/', import.meta.url);

/** As the repository formats Markdown: tables are laid out, nothing else changes. */
const formatted = async (text: string): Promise<string> =>
  prettier.format(text, { ...(await prettier.resolveConfig('README.md')), parser: 'markdown' });

describe.each([...providerNames])('docs/providers/%s.md', (name) => {
  it('is what the provider’s file says', async () => {
    const page = await formatted(providerPage(name));
    await expect(page).toMatchFileSnapshot(`../../docs/providers/${name}.md`);
  });

  it('names every credential and leaves no blank', () => {
    const page = providerPage(name);
    const { guide } = findProvider(name) ?? { guide: null };
    for (const credential of Object.keys(guide?.credentials ?? {}))
      expect(page).toContain(credential);
    expect(page).not.toContain('undefined');
    expect(stepsOf(name, 'https://x.test').join()).not.toContain('{url}');
    expect(guide?.steps.length).toBeGreaterThan(0);
  });
});

it('docs/providers/README.md is the list of all of them', async () => {
  const page = await formatted(providerIndex());
  await expect(page).toMatchFileSnapshot('../../docs/providers/README.md');
});

it('there is no page of a provider that is not there', () => {
  const pages = readdirSync(folder).map((file) => file.replace('.md', ''));
  expect(pages.sort()).toEqual([...providerNames, 'README', 'answers'].sort());
});

it('README lists the same providers, with what is verified and by which version it is judged', async () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const [, listed] = /<!-- providers -->\n\n(.*?)\n\n<!-- \/providers -->/s.exec(readme) ?? [];
  expect(listed).toBe((await formatted(providerTable('docs/providers/'))).trim());
});
