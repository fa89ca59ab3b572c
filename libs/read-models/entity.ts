/**
 * What declares a table, and no more of TypeORM: to load all of it takes a process longer than everything else that
 * projecting needs.
 */
export { Column } from 'typeorm/decorator/columns/Column.js';
export { Entity } from 'typeorm/decorator/entity/Entity.js';
export { Index } from 'typeorm/decorator/Index.js';
export { getMetadataArgsStorage } from 'typeorm/globals.js';
