import { Controller, Get, Param, Query, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { issue, Problem } from '#libs/kernel';
import {
  createChainVerifier,
  NoSuchPosition,
  type EventStore,
  type Position,
  type RecordedEvent,
} from '#libs/event-store';
import { tenantOfStream } from '#libs/event-types';
import {
  answerRead,
  Caller,
  Field,
  IsQueryNumber,
  ReadQuery,
  tenantOf,
  type ApiCaller,
} from '../http/index.js';
import { ReadGate } from '../read-gate.js';
import { RuntimeRef } from '../runtime-ref.js';

const DEFAULT_LIMIT = 100;
/** Events of all tenants that a page of the log may look at before it ends early. */
const MAX_SCANNED = 20_000;
const PAGE = 1000;

class AuditQuery extends ReadQuery {
  @Field(IsQueryNumber(0, Number.MAX_SAFE_INTEGER), {
    optional: true,
    example: '0',
    description: 'inclusive',
  })
  from?: string;

  @Field(IsQueryNumber(1, 1000), { optional: true, example: '100' })
  limit?: string;
}

/** The log itself, for people who audit it. A tenant sees its own streams only. */
@ApiTags('Audit')
@ApiBearerAuth()
@Controller('v1/audit')
export class AuditController {
  constructor(
    private readonly gate: ReadGate,
    private readonly runtime: RuntimeRef,
  ) {}

  @Get('streams/:stream')
  @ApiOperation({ summary: 'Read a stream', description: '`from` is a revision, inclusive.' })
  async stream(
    @Param('stream') stream: string,
    @Query() query: AuditQuery,
    @Caller() caller: ApiCaller,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const { eventStore } = this.runtime.current;
    await this.gate.passLog(reply, query);
    const limit = Number(query.limit ?? DEFAULT_LIMIT);
    const from = Number(query.from ?? 0);
    const data: RecordedEvent[] = [];
    let more = false;
    for await (const event of eventStore.readStream(ownStream(stream, caller), from)) {
      if (data.length === limit) {
        more = true;
        break;
      }
      data.push(event);
    }
    if (data.length === 0 && from === 0) throw notFound(stream);
    answerRead(reply, await eventStore.head());
    return { stream, data: data.map(answer), nextFrom: more ? data.at(-1)!.revision + 1 : null };
  }

  @Get('streams/:stream/verification')
  @ApiOperation({ summary: 'Check a stream’s hash chain' })
  async verification(
    @Param('stream') stream: string,
    @Query() query: ReadQuery,
    @Caller() caller: ApiCaller,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const { eventStore } = this.runtime.current;
    await this.gate.passLog(reply, query);
    const verifier = createChainVerifier();
    const faults: { revision: number; position: number; reason: string }[] = [];
    let head: { revision: number; hash: unknown } | null = null;
    for await (const event of eventStore.readStream(ownStream(stream, caller))) {
      const fault = verifier.check(event);
      if (fault)
        faults.push({ revision: fault.revision, position: Number(fault.position), reason: fault.reason });
      head = { revision: event.revision, hash: event.metadata['hash'] };
    }
    if (!head) throw notFound(stream);
    answerRead(reply, await eventStore.head());
    return { stream, eventsChecked: verifier.checked, valid: faults.length === 0, head, faults };
  }

  @Get('log')
  @ApiOperation({
    summary: 'Read the tenant’s part of the log',
    description:
      '`from` is a position, inclusive: `nextFrom` of the page before, or the position of an event. Beyond the end there is nothing yet.',
  })
  async log(
    @Query() query: AuditQuery,
    @Caller() caller: ApiCaller,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const { eventStore } = this.runtime.current;
    await this.gate.passLog(reply, query);
    const limit = Number(query.limit ?? DEFAULT_LIMIT);
    const tenant = tenantOf(caller);
    const data: RecordedEvent[] = [];
    const from = BigInt(query.from ?? 0);
    let next: Position | null = null;
    const head = await eventStore.head();
    let after = from === 0n || from > head ? null : await checkpointBefore(eventStore, from);
    log: for (let scanned = 0; from <= head;) {
      const { events, checkpoint } = await eventStore.readAll(after, PAGE);
      if (events.length === 0) break;
      for (const event of events) {
        if (data.length === limit || scanned === MAX_SCANNED) {
          next = event.position;
          break log;
        }
        scanned++;
        if (event.metadata['tenant'] === tenant) data.push(event);
      }
      after = checkpoint;
    }
    answerRead(reply, head);
    return { data: data.map(answer), nextFrom: next === null ? null : Number(next) };
  }
}

/** A foreign stream looks exactly like a missing one. */
function ownStream(stream: string, caller: ApiCaller): string {
  if (!/^[a-zA-Z]+-[^_\s]+_\S+$/.test(stream) || tenantOfStream(stream) !== tenantOf(caller))
    throw notFound(stream);
  return stream;
}

async function checkpointBefore(eventStore: EventStore, position: Position): Promise<string | null> {
  try {
    return await eventStore.checkpointBefore(position);
  } catch (error) {
    if (!(error instanceof NoSuchPosition)) throw error;
    throw new Problem('malformed_request', `No event of the log stands at position ${position}.`, [
      issue('?from', 'cursor_invalid', 'must be the position of an event'),
    ]);
  }
}

const notFound = (stream: string): Problem =>
  new Problem('not_found', `There is no stream ${JSON.stringify(stream)}.`);

const answer = ({ id, stream, revision, type, data, metadata, position }: RecordedEvent) => ({
  id,
  stream,
  revision,
  type,
  data,
  metadata,
  position: Number(position),
});
