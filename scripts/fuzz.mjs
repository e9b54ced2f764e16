// `npm run fuzz [-- --minutes N --seed S]`: bundles the fuzzer apart from dist/ and runs it.

import { join } from 'node:path';

import { bundle, runBundled } from './bundle.mjs';

const out = await bundle('fuzz', { main: 'test/ingest/fuzz/main.ts' });
await runBundled(join(out, 'main.js'));
