export * from './payment-methods.js';
export * from './receive.js';
export * from './secrets.js';
