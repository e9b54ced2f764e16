// `npm run bench [-- 1 3 5] [--quick]`: bundles the product and the benches apart from dist/, so that a
// build beside it disturbs nothing, and runs the scenarios asked for (all without a number).

import { join } from 'node:path';

import { bundle, runBundled } from './bundle.mjs';

const bare = ['ingest', 'fastify', 'processor', 'gateway', 'fold', 'rows'];
const parts = [
  'sockets',
  'stages',
  'lookups',
  'verification',
  'flood',
  ...bare.map((name) => `bare/${name}`),
];
const out = await bundle('bench', {
  trunkline: 'cli/trunkline.ts',
  ...Object.fromEntries(['run', ...parts].map((name) => [name, `bench/${name}.ts`])),
});
await runBundled(join(out, 'run.js'));
