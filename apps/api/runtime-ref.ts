import { Injectable } from '@nestjs/common';
import type { Runtime } from '../runtime.js';

/** The process's runtime, for what Nest makes. */
@Injectable()
export class RuntimeRef {
  constructor(readonly current: Runtime) {}
}
