export * from './event-store.js';
export * from './hash-chain.js';
export * from './log-lines.js';
export * from './transfer.js';
