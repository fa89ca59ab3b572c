import 'reflect-metadata';
import { startOrExit } from '../api/start.js';

await startOrExit(process.env, 'worker');
