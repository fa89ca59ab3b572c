export * from './charges.js';
export * from './deps.js';
export * from './driving.js';
export * from './finishing.js';
export * from './invoicing.js';
export * from './operations.js';
export * from './trace.js';
export * from './upcoming.js';
