import 'reflect-metadata';
import { parseConfig, startFailure } from '#libs/platform';
import { start } from '../api/start.js';

try {
  await start({ ...parseConfig(process.env), role: 'worker' });
} catch (error) {
  const { text, exitCode } = startFailure(error);
  process.stderr.write(`${text}\n`);
  process.exit(exitCode);
}
