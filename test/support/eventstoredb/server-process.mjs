// Runs server.ts in a process of its own: node server-process.mjs <options as JSON>
import { register } from 'node:module';

register('../typescript-loader.mjs', import.meta.url);
await import('./server.ts');
