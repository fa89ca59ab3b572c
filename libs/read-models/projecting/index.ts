export { ProjectionFailed } from './project-slice.js';
export * from './project-here.js';
export * from './projector.js';
