export * from './account.js';
export * from './answers.js';
export * from './applicability.js';
export * from './burn-down-order.js';
export * from './burn-down.js';
export * from './decide.js';
export * from './events.js';
export * from './snapshot.js';
