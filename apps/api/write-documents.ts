import 'reflect-metadata';
import { readFileSync, writeFileSync } from 'node:fs';
import { NestFactory } from '@nestjs/core';
import type { Runtime } from '../runtime.js';
import { ApiModule } from './api.module.js';
import { errorsDocument } from './errors-document.js';
import { eventsDocument } from './events-document.js';
import { createHttpEdge } from './http/index.js';
import { openApiOf } from './openapi.js';

/** Writes the documents that are made from the code; with `--check` it only compares, and exits with 1 when one is stale. */
const check = process.argv.includes('--check');

// a preview makes no instances, so nothing of the runtime is touched
const edge = createHttpEdge(() => undefined);
const app = await NestFactory.create(ApiModule.over({} as Runtime), edge.adapter, {
  preview: true,
  logger: ['error'],
});
const documents = {
  'docs/errors.md': errorsDocument(),
  'docs/events.md': eventsDocument(),
  'docs/openapi.json': `${JSON.stringify(openApiOf(app), null, 2)}\n`,
};
let stale = 0;
for (const [path, text] of Object.entries(documents)) {
  if (!check) writeFileSync(path, text);
  else if (readFileSync(path, 'utf8') !== text) {
    stale++;
    process.stderr.write(`${path} is not what the code makes: run npm run docs\n`);
  }
}
process.exit(stale === 0 ? 0 : 1);
