import { collectDefaultMetrics, Registry } from 'prom-client';

/** A registry of its own (nothing global) that already holds the process and Node metrics. */
export function createMetrics(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}
