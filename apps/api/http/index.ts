export * from './body.js';
export * from './caller.js';
export * from './edge.js';
export * from './fields.js';
export * from './idempotency.js';
export * from './pagination.js';
export * from './problem.js';
export * from './validation.js';
