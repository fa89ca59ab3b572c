import 'reflect-metadata';
import { startOrExit } from './start.js';

await startOrExit(process.env);
