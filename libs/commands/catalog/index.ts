export * from './catalog-kinds.js';
export * from './catalog-reader.js';
export * from './catalog-writer.js';
export * from './catalog.handlers.js';
export * from './customers.handlers.js';
export * from './definitions.handlers.js';
