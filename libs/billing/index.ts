export * from './charges.js';
export * from './compose.js';
export * from './lines.js';
export * from './periods.js';
export * from './rating.js';
export * from './tax.js';
export * from './waterfall.js';
