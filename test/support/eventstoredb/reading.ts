import { status, type ServerWritableStream } from '@grpc/grpc-js';
import type { ReadReq, ReadResp } from '@eventstore/db-client/generated/streams_pb.js';
import { randomUUID } from 'node:crypto';
import type { Faults } from './faults.js';
import type { ServerLog, Stored, Visible } from './log.js';
import {
  callError,
  caughtUpResponse,
  checkpointResponse,
  confirmationResponse,
  deletedError,
  eventResponse,
  notFoundResponse,
  notReady,
  textOf,
} from './messages.js';

type Call = ServerWritableStream<ReadReq, ReadResp>;

const BACKWARDS = 1;
const MAX_REVISION = 9_223_372_036_854_775_807n;
const DEFAULT_WINDOW = 32;
/** A subscription this many records behind is catching up again, and says so when it has. */
const FELL_BEHIND = 64;

export interface Reading {
  read(call: Call): void;
  /** The subscriptions. */
  readonly open: ReadonlySet<Call>;
  /** Position behind which the last subscription to the whole log began. */
  lastStart(): string;
  /** Events handed to subscriptions of the whole log since the start. */
  delivered(): number;
}

export function reading(log: ServerLog, faults: Faults): Reading {
  let lastStart = '';
  let delivered = 0;
  const open = new Set<Call>();

  function read(call: Call): void {
    if (!faults.ready()) return fail(call, notReady());
    const options = call.request.getOptions()!;
    if (options.hasSubscription()) {
      open.add(call);
      call.on('close', () => open.delete(call));
      call.on('cancelled', () => open.delete(call));
    }
    if (options.hasStream()) {
      if (options.hasSubscription()) subscribeToStream(call, options);
      else void readStream(call, options);
    } else if (options.hasSubscription()) subscribeToAll(call, options);
    else void readAll(call, options);
  }

  /** What a link points to, null when it is not there; undefined when links are not resolved. */
  function targetOf(event: Stored, resolve: boolean): Stored | null | undefined {
    if (!resolve || event.type !== '$>') return undefined;
    const text = Buffer.from(event.data).toString();
    const at = text.indexOf('@');
    const stream = log.visible(text.slice(at + 1));
    if (stream.found !== 'events') return null;
    return stream.events.find(({ revision }) => String(revision) === text.slice(0, at)) ?? null;
  }

  async function send(
    call: Call,
    events: readonly Stored[],
    options: ReadReq.Options,
    count: number,
  ): Promise<void> {
    for (const event of events.slice(0, count)) {
      if (call.cancelled) return;
      await write(call, eventResponse(event, targetOf(event, options.getResolveLinks())));
    }
    call.end();
  }

  async function readStream(call: Call, options: ReadReq.Options): Promise<void> {
    const at = options.getStream()!;
    const stream = textOf(at.getStreamIdentifier());
    const backwards = (options.getReadDirection() as number) === BACKWARDS;
    const count = Number(options.getCount());
    const revision = at.hasRevision() ? BigInt(at.getRevision()) : undefined;
    if (revision !== undefined && revision > MAX_REVISION)
      return fail(call, callError(status.UNKNOWN, 'Exception was thrown by handler.'));
    if (count === 0 || (at.hasEnd() && !backwards))
      return fail(call, callError(status.UNKNOWN, 'Unexpected ReadStreamResult: Error'));
    const visible = log.visible(stream);
    if (visible.found === 'deleted') return fail(call, deletedError(stream));
    if (visible.found !== 'events') {
      await write(call, notFoundResponse(stream));
      return void call.end();
    }
    const events = backwards
      ? visible.events.filter((event) => at.hasEnd() || event.revision <= (revision ?? 0n)).toReversed()
      : visible.events.filter((event) => event.revision >= (revision ?? 0n));
    await send(call, events, options, count);
  }

  async function readAll(call: Call, options: ReadReq.Options): Promise<void> {
    const at = options.getAll()!;
    const backwards = (options.getReadDirection() as number) === BACKWARDS;
    const count = Number(options.getCount());
    let index = at.hasEnd() ? log.all.length : 0;
    if (at.hasPosition()) {
      const commit = BigInt(at.getPosition()!.getCommitPosition());
      if (commit < BigInt(at.getPosition()!.getPreparePosition()))
        return fail(call, callError(status.UNKNOWN, 'Exception was thrown by handler.'));
      if (!isRecord(commit))
        return fail(call, callError(status.UNKNOWN, 'Unexpected ReadAllResult: InvalidPosition'));
      index = log.indexOf(commit);
    }
    const events = backwards
      ? log.all.slice(Math.max(0, index - Math.min(count, log.all.length)), index).toReversed()
      : log.all.slice(index, index + Math.min(count, log.all.length));
    await send(call, events, options, count);
  }

  /** Whether a reader may start here: at the start, at a record, or behind the end. */
  function isRecord(commit: bigint): boolean {
    const found = log.all[log.indexOf(commit)];
    return commit === 0n || found === undefined || found.position === commit;
  }

  function subscribeToStream(call: Call, options: ReadReq.Options): void {
    const at = options.getStream()!;
    const stream = textOf(at.getStreamIdentifier());
    const visible = log.visible(stream);
    if (visible.found === 'deleted') return fail(call, deletedError(stream));
    let after = at.hasRevision() ? BigInt(at.getRevision()) : -1n;
    if (at.hasEnd()) after = lastOf(visible);
    follow(call, async (caughtUp) => {
      const now = log.visible(stream);
      const next =
        now.found === 'events' ? now.events.filter(({ revision }) => revision > after).slice(0, 500) : [];
      for (const event of next) {
        after = event.revision;
        await write(call, eventResponse(event, targetOf(event, options.getResolveLinks())));
      }
      if (next.length === 0) return false;
      return !caughtUp || next.length > FELL_BEHIND ? 'behind' : 'live';
    });
  }

  function subscribeToAll(call: Call, options: ReadReq.Options): void {
    const at = options.getAll()!;
    const filter = options.getFilter();
    let matches: (event: Stored) => boolean = () => true;
    if (filter) {
      const expression = (filter.hasEventType() ? filter.getEventType() : filter.getStreamIdentifier())!;
      const subject = (event: Stored): string => (filter.hasEventType() ? event.type : event.stream);
      const prefixes = expression.getPrefixList();
      try {
        const regex = new RegExp(expression.getRegex());
        matches = (event) =>
          prefixes.length > 0
            ? prefixes.some((prefix) => subject(event).startsWith(prefix))
            : regex.test(subject(event));
      } catch {
        return fail(call, callError(status.UNKNOWN, 'Exception was thrown by handler.'));
      }
    }
    let next = at.hasEnd() ? log.all.length : 0;
    lastStart = at.getPosition()?.getCommitPosition() ?? '';
    if (at.hasPosition()) {
      const commit = BigInt(lastStart);
      if (!isRecord(commit)) {
        call.write(confirmationResponse(randomUUID()));
        return fail(call, callError(status.INVALID_ARGUMENT, 'Invalid position'));
      }
      next = log.indexOf(commit);
      if (log.all[next]?.position === commit) next++;
      // a position behind the end: silent for ever, even when the log grows past it
      else if (next >= log.all.length && commit > 0n) next = Infinity;
    }

    const window = filter?.hasMax() ? filter.getMax() : DEFAULT_WINDOW;
    const multiplier = filter?.getCheckpointintervalmultiplier() ?? 1;
    const interval = window * multiplier;
    // as observed: with a multiplier the first checkpoint comes a window early
    let examined = multiplier > 1 ? window : 0;
    let hasSent = at.hasPosition() || at.hasEnd();
    const checkpoint = async (event: Stored, wanted: boolean): Promise<void> => {
      if (!filter || ++examined < interval) return;
      examined = 0;
      hasSent = true;
      await write(call, checkpointResponse(event.position, wanted ? event.position : 0n));
    };

    follow(call, async (caughtUp) => {
      const end = log.all.length;
      if (next >= end) {
        // reaching the end counts as one more
        if (!caughtUp && next > 0 && Number.isFinite(next)) await checkpoint(log.all[next - 1]!, true);
        // where nothing was sent yet the position said is -1
        if (!caughtUp && filter && !hasSent)
          await write(call, checkpointResponse(2n ** 64n - 1n, 2n ** 64n - 1n));
        hasSent = true;
        return false;
      }
      const state = !caughtUp || end - next > FELL_BEHIND ? 'behind' : 'live';
      while (next < end && !call.cancelled) {
        const event = log.all[next++]!;
        const wanted = matches(event);
        if (wanted) {
          delivered++;
          hasSent = true;
          await write(call, eventResponse(event, targetOf(event, options.getResolveLinks())));
        }
        await checkpoint(event, wanted || state === 'live');
      }
      return state;
    });
  }

  /**
   * Runs a subscription: `step` hands over what there is and says whether it had to catch up for it (false: there was
   * nothing). After each catching up it says `caughtUp`, the first time in any case.
   */
  function follow(call: Call, step: (caughtUp: boolean) => Promise<false | 'live' | 'behind'>): void {
    let caughtUp = false;
    let busy = false;
    let again = false;
    async function run(): Promise<void> {
      again = true;
      if (busy) return;
      busy = true;
      while (again && !call.cancelled) {
        again = false;
        for (
          let state = await step(caughtUp);
          state !== false && !call.cancelled;
          state = await step(caughtUp)
        )
          if (state === 'behind') caughtUp = false;
        if (!caughtUp && !call.cancelled) await write(call, caughtUpResponse());
        caughtUp = true;
      }
      busy = false;
    }
    const stop = log.onAppend(() => void run());
    call.on('cancelled', stop);
    call.on('close', stop);
    call.write(confirmationResponse(randomUUID()));
    void run();
  }

  return { read, open, lastStart: () => lastStart, delivered: () => delivered };
}

const lastOf = (visible: Visible): bigint =>
  visible.found === 'events' ? (visible.events.at(-1)?.revision ?? -1n) : -1n;

function fail(call: Call, error: ReturnType<typeof callError>): void {
  call.emit('error', error);
}

/** Waits while the reader is slow; gives up when it is gone. */
async function write(call: Call, response: ReadResp): Promise<void> {
  if (call.cancelled || call.destroyed || call.write(response)) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      for (const event of ['drain', 'cancelled', 'close', 'error']) call.off(event, done);
      resolve();
    };
    for (const event of ['drain', 'cancelled', 'close', 'error']) call.on(event, done);
  });
}
