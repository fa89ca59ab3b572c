export * from './answer.js';
export * from './cycle.js';
export * from './decide.js';
export * from './due.js';
export * from './entitlement.js';
export * from './events.js';
export { evolve } from './evolve.js';
export * from './subscription.js';
