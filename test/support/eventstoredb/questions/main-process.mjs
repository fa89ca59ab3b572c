// Runs main.ts in a process of its own: node main-process.mjs <connection string> [<kind of bad request>]
import { register } from 'node:module';

register('../../typescript-loader.mjs', import.meta.url);
await import('./main.ts');
