import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Problem } from '#libs/kernel';
import { apiKeys, SYSTEM_TENANT, type ApiKey, type ApiKeyCommand, type KeyKind } from '#libs/commands';
import { ListCatalog } from '#libs/read-models';
import { createKey } from '../../keys.js';
import {
  answerPage,
  answerRead,
  Caller,
  Field,
  IsOneOf,
  IsText,
  ListQuery,
  NoQuery,
  pageOf,
  Read,
  type ApiCaller,
  type ReadCall,
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
  @ApiOperation({ summary: 'Create a key', description: 'Its value is in this answer and never again.' })
  async create(
    @Body() { name, keyType }: CreateKeyDto,
    @Query() _query: NoQuery,
    @Caller() caller: ApiCaller,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const { actor, correlationId, tenant, environment } = caller;
    const { key, value, position } = await createKey(
      this.runtime.current,
      { actor, correlationId },
      { tenant, environment, kind: keyType, name },
    );
    void reply.header('Log-Position', position.toString());
    return { ...answer(key), key: value };
  }

  @Get()
  @ApiOperation({ summary: 'List keys', description: 'Prefixes only.' })
  async list(@Read() call: ReadCall, @Query() query: ListQuery) {
    await this.gate.pass(call, query);
    const { data, nextKey, position } = await this.queries.execute(
      new ListCatalog(call.tenant, 'apiKey', {}, pageOf(query)),
    );
    answerRead(call.reply, position);
    return answerPage(data, nextKey);
  }

  @Delete(':id')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Revoke a key',
    description: 'In force within a second on every process, and for ever.',
  })
  async revoke(
    @Param('id') id: string,
    @Query() _query: NoQuery,
    @Caller() caller: ApiCaller,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const { writer } = this.runtime.current;
    const { state } = await writer.read(apiKeys, SYSTEM_TENANT, id);
    if (!state || state.tenant !== caller.tenant || state.environment !== caller.environment)
      throw new Problem('not_found', `There is no API key ${JSON.stringify(id)}.`);
    const written = await writer.execute(apiKeys, id, {
      context: { tenant: SYSTEM_TENANT, actor: caller.actor, correlationId: caller.correlationId },
      operation: 'apiKeys.revoke',
      input: {},
      command: (now): ApiKeyCommand => ({ type: 'Revoke', now }),
    });
    void reply.header('Log-Position', written.position.toString());
    return answer((await written.stateAfter())!);
  }
}

const answer = ({ id, name, kind, environment, prefix, createdAt, revokedAt }: ApiKey) => ({
  id,
  name,
  keyType: kind,
  environment,
  prefix,
  createdAt,
  revokedAt,
});
