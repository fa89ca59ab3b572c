export * from './occurrences.js';
export * from './recurrence-rule.js';
export * from './wall-clock.js';
