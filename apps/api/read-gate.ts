import { Injectable } from '@nestjs/common';
import { minPositionOf, type ReadCall, type ReadQuery } from './http/index.js';
import { RuntimeRef } from './runtime-ref.js';

/** Read-your-writes: holds a read back until the read models have reached a position. */
@Injectable()
export class ReadGate {
  constructor(private readonly runtime: RuntimeRef) {}

  /**
   * Waits for the position the caller asks for. Without one, and given a customer, for what this process itself has
   * written to the customer's account; then a read model that is behind is answered as it is, and the header says so.
   * @throws Problem `read_model_behind` after two seconds, only when the caller asked for a position
   */
  async pass({ request, tenant }: ReadCall, query: ReadQuery, customerId?: string): Promise<void> {
    const { readModels, writer, credits } = this.runtime.current;
    const asked = minPositionOf(request, query);
    if (asked !== undefined) return readModels.waitForPosition(asked);
    if (customerId === undefined) return;
    const own = writer.knownPosition(credits.account.category, tenant, customerId);
    if (own > 0n) await readModels.waitForPosition(own).catch(() => undefined);
  }

  /**
   * Looks once, and where nothing is found, again as of the log's end: what was written a moment ago is not missing.
   * `customerOf` says whose account the answer depends on.
   */
  async find<T>(
    call: ReadCall,
    query: ReadQuery,
    look: () => Promise<{ readonly data: T | null; readonly position: bigint }>,
    customerOf: (data: T) => string,
  ): Promise<{ readonly data: T | null; readonly position: bigint }> {
    await this.pass(call, query);
    const { readModels, writer, credits, eventStore } = this.runtime.current;
    const found = await look();
    const behind = found.data
      ? writer.knownPosition(credits.account.category, call.tenant, customerOf(found.data))
      : await eventStore.head();
    if (found.position >= behind) return found;
    await readModels.waitForPosition(behind).catch(() => undefined);
    return look();
  }
}
