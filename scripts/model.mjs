// `npm run model [-- --schedules 1e6 --seed N]`: bundles the model of the log protocol apart from dist/ and runs it.

import { join } from 'node:path';

import { bundle, runBundled } from './bundle.mjs';

const out = await bundle('model', { run: 'test/log/simulation/run.ts' });
await runBundled(join(out, 'run.js'));
