// Gateway: the live page. In: the built files of gateway/web. Out: routes that serve them from memory with
// a strict content security policy; the page asks again whether they still hold.

import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { extname, join, relative, sep } from 'node:path';

import { problem, type HttpRequest, type HttpResponse, type HttpServer } from '../runtime/http.js';

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.json': 'application/json; charset=utf-8',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
};

const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  // Older Safari does not take 'self' for WebSockets of the same origin.
  "connect-src 'self' ws: wss:",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

interface Page {
  readonly path: string;
  readonly response: HttpResponse & { readonly headers: Readonly<Record<string, string>> };
}

/** Reads the built page; empty when it was not built. */
export async function readPages(directory: string): Promise<readonly Page[]> {
  const files = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => []);
  const pages: Page[] = [];
  for (const file of files) {
    const type = types[extname(file.name)];
    if (!file.isFile() || type === undefined) continue;
    const full = join(file.parentPath, file.name);
    const name = relative(directory, full).split(sep).join('/');
    pages.push(pageOf(name, type, await readFile(full)));
  }
  return pages;
}

function pageOf(name: string, type: string, body: Buffer): Page {
  const digest = createHash('sha256').update(body).digest('base64url').slice(0, 22);
  // A name with a hash in it never means another content.
  const isHashed = /-[A-Za-z0-9_]{8,}\.\w+$/.test(name);
  const headers = {
    'content-type': type,
    'cache-control': isHashed ? 'public, max-age=31536000, immutable' : 'no-cache',
    etag: `"${digest}"`,
    'content-security-policy': policy,
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
  };
  return {
    path: name === 'index.html' ? '/' : `/${name}`,
    response: { status: 200, headers, body },
  };
}

/** Registers the page's routes. Without a built page `/` says so. */
export function servePages(server: HttpServer, pages: readonly Page[]): void {
  for (const { path, response } of pages) {
    server.route({ method: 'GET', pattern: path }, (request) => answer(request, response));
  }
  if (!pages.some(({ path }) => path === '/')) {
    server.route({ method: 'GET', pattern: '/' }, () =>
      problem('not_found', 'the live page is not built; run: npm run build'),
    );
  }
}

function answer(request: HttpRequest, response: Page['response']): HttpResponse {
  const known = request.headers.get('if-none-match') ?? '';
  const { etag } = response.headers;
  if (etag === undefined || !known.split(/\s*,\s*/).includes(etag)) return response;
  return { status: 304, headers: response.headers };
}
