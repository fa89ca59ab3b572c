import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Problem } from '#libs/kernel';
import { apiKeys, runOnce, SYSTEM_TENANT, type ApiKey, type KeyKind } from '#libs/commands';
import { ListCatalog } from '#libs/read-models/queries';
import { createKey, revokeKey, shownKey } from '../../keys.js';
import {
  answerPage,
  answerRead,
  ApiIdempotencyKey,
  Caller,
  Field,
  IsOneOf,
  IsText,
  ListQuery,
  NoQuery,
  pageOf,
  Read,
  Write,
  type ApiCaller,
  type ReadCall,
  type WriteCall,
} from '../http/index.js';
import { ReadGate } from '../read-gate.js';
import { RuntimeRef } from '../runtime-ref.js';

const KINDS = ['secret', 'publishable', 'trigger'];

class CreateKeyDto {
  @Field(IsText(100), { example: 'billing service' })
  name!: string;

  @Field(IsOneOf(KINDS), { enum: KINDS, example: 'secret' })
  keyType!: KeyKind;
}

/** Keys of the caller's own tenant and environment: a key cannot make one for another world. */
@ApiTags('API keys')
@ApiBearerAuth()
@Controller('v1/api-keys')
export class KeysController {
  constructor(
    private readonly runtime: RuntimeRef,
    private readonly queries: QueryBus,
    private readonly gate: ReadGate,
  ) {}

  @Post()
  @ApiOperation({
    summary: 'Create a key',
    description:
      'Its value is in this answer and never again, unless it is publishable: a repeated request is answered with `key: null`.',
  })
  @ApiIdempotencyKey()
  async create(
    @Write() { context, reply }: WriteCall,
    @Caller() { actor, correlationId, tenant, environment }: ApiCaller,
    @Query() _: NoQuery,
    @Body() body: CreateKeyDto,
  ) {
    const { current } = this.runtime;
    let value: string | null = null;
    const { answer, replayed } = await runOnce(
      current.writer,
      context,
      'apiKeys.create',
      { ...body },
      async () => {
        const { name, keyType: kind } = body;
        const created = await createKey(
          current,
          { actor, correlationId },
          { tenant, environment, kind, name },
        );
        value = created.value;
        return shown(created.key);
      },
    );
    answerRead(reply, await current.eventStore.head());
    if (replayed) void reply.header('Idempotent-Replayed', 'true');
    return { ...answer, key: replayed ? (answer.key ?? null) : value };
  }

  @Get()
  @ApiOperation({
    summary: 'List keys',
    description: 'Of publishable ones with the value, of others with the prefix.',
  })
  async list(@Read() call: ReadCall, @Query() query: ListQuery) {
    await this.gate.pass(call, query);
    const { data, nextKey, position } = await this.queries.execute(
      new ListCatalog(call.tenant, 'apiKey', {}, pageOf(call, query)),
    );
    this.gate.answer(call, query, position);
    return answerPage(
      call,
      data.map(({ isActive, ...row }) => {
        const key = row as unknown as Omit<ApiKey, 'hash'> & { readonly updatedAt: string };
        return shown({ ...key, revokedAt: isActive ? null : key.updatedAt });
      }),
      nextKey,
    );
  }

  @Delete(':id')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Revoke a key',
    description: 'In force within a second on every process, and for ever.',
  })
  @ApiIdempotencyKey()
  async revoke(
    @Write() { context, reply }: WriteCall,
    @Caller() caller: ApiCaller,
    @Query() _: NoQuery,
    @Param('id') id: string,
  ) {
    const { writer } = this.runtime.current;
    const { state } = await writer.read(apiKeys, SYSTEM_TENANT, id);
    if (!state || state.tenant !== caller.tenant || state.environment !== caller.environment)
      throw new Problem('not_found', `There is no API key ${JSON.stringify(id)}.`);
    const { key, position, replayed } = await revokeKey(this.runtime.current, context, id);
    answerRead(reply, position);
    if (replayed) void reply.header('Idempotent-Replayed', 'true');
    return shown(key);
  }
}

/** The tenant is the caller's own. */
function shown(key: Omit<ApiKey, 'hash'>) {
  const { tenant: _, ...own } = shownKey(key);
  return own;
}
