export * from './changes.js';
export * from './deps.js';
export * from './drive.js';
export * from './seats.js';
export * from './settle-due.js';
export * from './subscriptions.js';
export * from './subscriptions.handlers.js';
export * from './terms.js';
