export * from './event-types.js';
export * from './installation-events.js';
export type { EventMetadata } from './metadata.js';
export { metadataMember, recordedAtOf } from './metadata-member.js';
export * from './payload-faults.js';
export type { StoredEvents } from './stored-events.js';
export type { Schema } from './schema.js';
export * from './stream-names.js';
export { CATEGORIES, METADATA_SCHEMA, SCHEMAS } from './schemas/index.js';
