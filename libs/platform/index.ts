export * from './attach-database.js';
export * from './clock.js';
export * from './config.js';
export * from './database.js';
export * from './embedded-postgres.js';
export * from './logging.js';
export * from './metrics.js';
export * from './shutdown.js';
