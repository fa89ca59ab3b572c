import { setTimeout as pause } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { Problem } from '#libs/kernel';
import { answerRead, minPositionOf, type ReadCall, type ReadQuery } from './http/index.js';
import { RuntimeRef } from './runtime-ref.js';

interface Looked<T> {
  readonly data: T | null;
  readonly position: bigint;
}

/** Milliseconds that an answer from the log waits for the log to get there, and between two looks at it. */
const LOG_WAIT = 2000;
const LOOK_AGAIN = 50;

/** Read-your-writes: holds a read back until the read models have reached a position. */
@Injectable()
export class ReadGate {
  constructor(private readonly runtime: RuntimeRef) {}

  /**
   * Waits for the position the caller asks for. Without one for what this process itself has written: to the given customer's
   * account, or to all but accounts; then a read model that is behind is answered as it is, and the header says so.
   * @throws Problem `read_model_behind` after two seconds, only when the caller asked for a position
   */
  pass(call: ReadCall, query: ReadQuery, customerId?: string): Promise<void> | undefined {
    const { readModels } = this.runtime.current;
    const asked = minPositionOf(call.request, query);
    if (asked !== undefined) return readModels.waitForPosition(asked);
    const own = this.written(call, customerId);
    return own > 0n ? readModels.waitForPosition(own).catch(() => undefined) : undefined;
  }

  /**
   * The same for what is answered from the log itself: that reflects all that was recorded before it is read.
   * @throws Problem `read_model_behind` when the log has not come to the position asked for within two seconds
   */
  async passLog({ request }: Pick<ReadCall, 'request'>, query: ReadQuery): Promise<void> {
    const asked = minPositionOf(request, query);
    if (asked === undefined) return;
    const { eventStore } = this.runtime.current;
    const begun = performance.now();
    while ((await eventStore.head()) < asked) {
      if (performance.now() - begun >= LOG_WAIT)
        throw new Problem(
          'read_model_behind',
          `The log did not come to position ${asked} within ${LOG_WAIT} ms.`,
        );
      await pause(LOOK_AGAIN);
    }
  }

  /**
   * Says which position rows reflect.
   * @throws Problem `read_model_behind` when that is before the one asked for: their read model has stopped
   */
  answer({ request, reply }: ReadCall, query: ReadQuery, position: bigint): void {
    const asked = minPositionOf(request, query);
    if (asked !== undefined && position < asked)
      throw new Problem(
        'read_model_behind',
        `What was read stands at position ${position}, not at ${asked} yet.`,
      );
    answerRead(reply, position);
  }

  /** The position that {@link pass} waits for; 0: none. */
  wanted(call: ReadCall, query: ReadQuery, customerId: string): bigint {
    return minPositionOf(call.request, query) ?? this.written(call, customerId);
  }

  private written({ tenant }: ReadCall, customerId: string | undefined): bigint {
    const { writer, credits } = this.runtime.current;
    const { category } = credits.account;
    return customerId === undefined
      ? writer.lastWritten(tenant, category)
      : writer.knownPosition(category, tenant, customerId);
  }

  /**
   * Answers with one thing of a customer's account. Looks once, and where nothing is found, again as of the log's end: what
   * was written a moment ago is not missing.
   * @throws what `missing` makes when there is no such thing
   */
  async find<T extends { readonly customerId: string }>(
    call: ReadCall,
    query: ReadQuery,
    look: () => Promise<Looked<T>>,
    missing: () => Problem,
  ): Promise<T> {
    await this.pass(call, query);
    const { data, position } = await this.lookTwice(call, look);
    if (!data) throw missing();
    this.answer(call, query, position);
    return data;
  }

  private async lookTwice<T extends { readonly customerId: string }>(
    call: ReadCall,
    look: () => Promise<Looked<T>>,
  ): Promise<Looked<T>> {
    const { readModels, writer, credits, eventStore } = this.runtime.current;
    const found = await look();
    const behind = found.data
      ? writer.knownPosition(credits.account.category, call.tenant, found.data.customerId)
      : await eventStore.head();
    if (found.position >= behind) return found;
    await readModels.waitForPosition(behind).catch(() => undefined);
    return look();
  }
}
