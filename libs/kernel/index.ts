export * from './amount.js';
export * from './canonical-json.js';
export * from './decider.js';
export * from './errors.js';
export * from './time.js';
export * from './stored.js';
export * from './batching.js';
