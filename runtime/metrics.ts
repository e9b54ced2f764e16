// Metrics of one process (prom-client). Each station makes its own in `<station>/metrics.ts` with
// this registry, zero-initialised, named `trunkline_<station>_<what>_<unit>`.

import { Registry } from 'prom-client';

export const createMetrics = (): Registry => new Registry();
export type Metrics = Registry;
