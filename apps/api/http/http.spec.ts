import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Body, Controller, Delete, Get, Module, Param, Patch, Post, Query } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { connect } from 'node:net';
import { EventStoreUnavailable } from '#libs/event-store';
import { Problem } from '#libs/kernel';
import {
  answerPage,
  answerWrite,
  createHttpEdge,
  Field,
  IsAmount,
  IsEmailAddress,
  IsFlag,
  IsId,
  IsInstant,
  IsListOf,
  IsMetadata,
  IsObjectOf,
  IsOneOf,
  IsText,
  IsWhole,
  ListQuery,
  minPositionOf,
  NoQuery,
  pageOf,
  Read,
  readIdempotencyKey,
  Write,
} from './index.js';
import type { ReadCall, WriteCall } from './index.js';

class Line {
  @Field(IsText(5))
  label!: string;

  @Field(IsAmount({ positive: true }), { optional: true, type: String })
  price?: string | number;
}

class Order {
  @Field(IsId(), { optional: true })
  id?: string;

  @Field(IsText(10))
  name!: string;

  @Field(IsAmount(), { type: String })
  amount!: string | number;

  @Field(IsInstant(), { optional: true })
  at?: string;

  @Field(IsOneOf(['a', 'b']), { optional: 'not-null' })
  kind?: string;

  @Field(IsWhole(1, 9), { optional: true })
  count?: number;

  @Field(IsFlag(), { optional: true })
  flag?: boolean;

  @Field(IsEmailAddress(), { optional: true })
  email?: string;

  @Field(IsMetadata(), { optional: true, type: Object, additionalProperties: true })
  metadata?: Record<string, string>;

  @Field(IsObjectOf(() => Line), { optional: true, type: Line })
  first?: Line;

  @Field(IsListOf(() => Line, 1, 3), { optional: true, type: [Line] })
  lines?: Line[];
}

@Controller('v1/orders')
class OrdersController {
  @Post()
  create(@Write() { context, reply }: WriteCall, @Query() _: NoQuery, @Body() body: Order) {
    answerWrite(reply, {
      created: body.kind !== 'b',
      replayed: context.idempotencyKey === 'seen',
      position: 42n,
    });
    return { ...body, context };
  }

  @Get()
  list(@Read() call: ReadCall, @Query() query: ListQuery) {
    const { tenant, request } = call;
    const page = answerPage(call, [pageOf(call, query)], '2026|ä');
    return { ...page, tenant, min: minPositionOf(request, query)?.toString() };
  }

  @Get('failures/:what')
  fail(@Param('what') what: string) {
    if (what === 'problem') throw new Problem('write_conflict', 'Busy.');
    if (what === 'store') throw new EventStoreUnavailable('host 10.0.0.1 refused');
    if (what === 'unauthorized') throw new Problem('unauthorized', 'No.');
    throw new Error(`secret ${what}`);
  }

  @Patch(':id')
  patch(@Param('id') id: string) {
    return { id };
  }

  @Delete(':id')
  remove(@Param('id') id: string) {
    return { id };
  }
}

@Module({ controllers: [OrdersController] })
class TestModule {}

let app: NestFastifyApplication;
let url: string;
const logged: [unknown, string][] = [];

beforeAll(async () => {
  const edge = createHttpEdge((error, instance) => logged.push([error, instance]));
  app = await NestFactory.create<NestFastifyApplication>(TestModule, edge.adapter, {
    bodyParser: false,
    logger: false,
  });
  edge.apply(app);
  app
    .getHttpAdapter()
    .getInstance()
    .addHook('onRequest', async (request) => {
      if (request.headers.authorization)
        request.caller = { tenant: 'acme', actor: 'key_1', environment: 'test', kind: 'secret' };
    });
  await app.listen(0, '127.0.0.1');
  url = await app.getUrl();
});

afterAll(() => app.close());

interface Answer {
  readonly status: number;
  readonly headers: Headers;

  readonly body: any;
}

async function call(
  method: string,
  path: string,
  body?: BodyInit,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const type: Record<string, string> = body === undefined ? {} : { 'Content-Type': 'application/json' };
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { Authorization: 'Bearer x', ...type, ...headers },
    ...(body === undefined ? {} : { body }),
  });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    body: text === '' ? undefined : JSON.parse(text),
  };
}

const post = (body: unknown, headers?: Record<string, string>) =>
  call('POST', '/v1/orders', typeof body === 'string' ? body : JSON.stringify(body), headers);

const issuesOf = ({ body }: Answer): string[] =>
  (body.errors ?? []).map((issue: { pointer: string; code: string }) => `${issue.pointer} ${issue.code}`);

const good = { name: 'x', amount: '1.50' };

describe('a write', () => {
  test('answers status, position and replay, and knows caller, key and request', async () => {
    const first = await post(good, { 'Idempotency-Key': '"a\\"b"', 'X-Request-Id': 'req-1' });
    expect(first.status).toBe(201);
    expect(first.headers.get('log-position')).toBe('42');
    expect(first.headers.get('idempotent-replayed')).toBeNull();
    expect(first.body).toEqual({
      ...good,
      context: { tenant: 'acme.test', actor: 'key_1', correlationId: 'req-1', idempotencyKey: 'a"b' },
    });
    const again = await post({ ...good, kind: 'b' }, { 'Idempotency-Key': 'seen' });
    expect([again.status, again.headers.get('idempotent-replayed')]).toEqual([200, 'true']);
  });

  test('needs a caller', async () => {
    const response = await fetch(`${url}/v1/orders`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(good),
    });
    expect([response.status, response.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
  });

  test.each(['', ' ', 'a b', 'ä', 'x'.repeat(256), '"open', '"a" "b"'])('refuses the key %j', (key) => {
    const quotedText = key === '"open';
    if (quotedText) expect(readIdempotencyKey(key)).toBe(key);
    else expect(() => readIdempotencyKey(key)).toThrow(Problem);
  });
});

describe('a body', () => {
  test('lists every issue with its pointer', async () => {
    const answer = await post({
      id: '-x',
      amount: 1.5,
      at: '2026-02-30T00:00:00Z',
      kind: 'c',
      count: 10,
      flag: 'true',
      email: 'nobody',
      metadata: { a: 1 },
      first: { label: 'toolong', price: '0', 'a/b~c': 1 },
      lines: [{ label: 'ok' }, 'text', { price: '1e3' }, null],
      extra: 1,
    });
    expect(answer.status).toBe(422);
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
    expect(answer.body).toMatchObject({
      type: '/docs/errors.md#validation_failed',
      title: 'The body is not acceptable',
      status: 422,
      code: 'validation_failed',
    });
    expect(answer.body.instance).toMatch(/^\/requests\//);
    expect(issuesOf(answer).sort()).toEqual(
      [
        '/amount amount_not_whole_number',
        '/at instant_invalid',
        '/count out_of_range',
        '/email email_invalid',
        '/extra unknown_field',
        '/first/a~1b~0c unknown_field',
        '/first/label too_long',
        '/first/price amount_not_positive',
        '/flag type',
        '/id id_invalid',
        '/kind not_allowed',
        '/lines out_of_range',
        '/lines/1 type',
        '/lines/2/label required',
        '/lines/2/price amount_invalid',
        '/lines/3 type',
        '/metadata metadata_invalid',
        '/name required',
      ].sort(),
    );
  });

  test('null leaves an optional field out', async () => {
    expect((await post({ ...good, id: null, first: null, lines: null })).status).toBe(201);
  });

  test.each([
    ['{"name":', 400, 'malformed_json'],
    ['', 400, 'malformed_json'],
    ['{} {}', 400, 'malformed_json'],
    ['[]', 422, 'validation_failed'],
    ['"text"', 422, 'validation_failed'],
    [`{"name":"${'x'.repeat(1024 * 1024)}"}`, 413, 'body_too_large'],
    ['{"__proto__":{"name":"x"}}', 422, 'validation_failed'],
    ['{"metadata":{"constructor":{"prototype":{"admin":true}}}}', 422, 'validation_failed'],
    ['{"n\\u0061me":"a\\u0000b"}', 422, 'validation_failed'],
    ['['.repeat(200_000) + ']'.repeat(200_000), 422, 'validation_failed'],
  ])('%.40s is %i %s', async (body, status, code) => {
    const answer = await post(body);
    expect([answer.status, answer.body.code]).toEqual([status, code]);
    expect(({} as Record<string, unknown>)['admin']).toBeUndefined();
  });

  test('is UTF-8', async () => {
    const pair = await post({ ...good, name: '😀' });
    expect(pair.body.name).toBe('😀');
    const notUtf8 = await call(
      'POST',
      '/v1/orders',
      new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]),
    );
    expect([notUtf8.status, notUtf8.body.code]).toEqual([400, 'malformed_json']);
  });

  test('is JSON, or 415', async () => {
    const answer = await call('POST', '/v1/orders', 'name=x', {
      'Content-Type': 'application/x-www-form-urlencoded',
    });
    expect([answer.status, answer.body.code]).toEqual([415, 'unsupported_media_type']);
    expect((await call('POST', '/v1/orders', 'x', { 'Content-Type': 'text/plain' })).status).toBe(415);
    expect((await post(good, { 'Content-Type': 'application/json; charset=utf-8' })).status).toBe(201);
    expect(issuesOf(await call('POST', '/v1/orders'))).toEqual(['/name required', '/amount required']);
    const utf16 = await post(good, { 'Content-Type': 'application/json; charset=utf-16' });
    expect([utf16.status, utf16.body.code]).toEqual([415, 'unsupported_media_type']);
    expect((await post(good, { 'Content-Type': 'application/json; charset="UTF-8"' })).status).toBe(201);
    const packed = await post(good, { 'Content-Encoding': 'gzip' });
    expect([packed.status, packed.body.code]).toEqual([415, 'unsupported_media_type']);
    expect((await post(good, { 'Content-Encoding': 'identity' })).status).toBe(201);
  });
});

describe('a query', () => {
  test('has a limit, a cursor and a position', async () => {
    const { body: first } = await call('GET', '/v1/orders');
    expect(first).toMatchObject({ data: [{ limit: 100, cursor: null }], tenant: 'acme.test' });
    const answer = await call('GET', `/v1/orders?limit=7&cursor=${first.nextCursor}&minPosition=12`);
    expect(answer.body).toMatchObject({
      data: [{ limit: 7, cursor: '2026|ä' }],
      nextCursor: first.nextCursor,
      min: '12',
    });
    const other = await call('GET', `/v1/orders?cursor=${first.nextCursor}.`);
    expect(issuesOf(other)).toEqual(['?cursor cursor_invalid']);
    expect((await call('GET', '/v1/orders', undefined, { 'Min-Log-Position': '9' })).body.min).toBe('9');
    expect((await call('GET', '/v1/orders', undefined, { 'Min-Log-Position': 'x' })).body.code).toBe(
      'malformed_request',
    );
  });

  test.each([
    ['?limit=0', 'invalid_query_parameter', '?limit out_of_range'],
    ['?limit=1001', 'invalid_query_parameter', '?limit out_of_range'],
    ['?limit=1.5', 'invalid_query_parameter', '?limit type'],
    ['?limit=1&limit=2', 'invalid_query_parameter', '?limit type'],
    ['?cursor=!!', 'invalid_query_parameter', '?cursor cursor_invalid'],
    ['?cursor=%00', 'invalid_query_parameter', '?cursor text_invalid'],
    ['?nope=1', 'unknown_query_parameter', '?nope unknown_field'],
    ['?__proto__=1', 'invalid_query_parameter', '?__proto__ forbidden_name'],
  ])('%s is %s', async (query, code, issue) => {
    const answer = await call('GET', `/v1/orders${query}`);
    expect([answer.status, answer.body.code, ...issuesOf(answer)]).toEqual([400, code, issue]);
  });

  test('of a write is refused too', async () => {
    const answer = await call('POST', '/v1/orders?x=1', JSON.stringify(good));
    expect([answer.status, answer.body.code]).toEqual([400, 'unknown_query_parameter']);
  });
});

describe('a failure', () => {
  test('says nothing of what went wrong inside, but can be found by its instance', async () => {
    const answer = await call('GET', '/v1/orders/failures/boom');
    expect([answer.status, answer.body.code]).toEqual([500, 'internal']);
    expect(JSON.stringify(answer.body)).not.toContain('secret');
    expect(logged).toEqual([[expect.objectContaining({ message: 'secret boom' }), answer.body.instance]]);
  });

  test('that passes says when to try again', async () => {
    for (const [what, code] of [
      ['problem', 'write_conflict'],
      ['store', 'store_unavailable'],
    ]) {
      const answer = await call('GET', `/v1/orders/failures/${what}`);
      expect([answer.status, answer.body.code, answer.headers.get('retry-after')]).toEqual([503, code, '1']);
      expect(JSON.stringify(answer.body)).not.toContain('10.0.0.1');
    }
  });

  test('of a route: 404, or 405 with the methods there are', async () => {
    const missing = await call('GET', '/v1/nothing?x=1');
    expect([missing.status, missing.body.code]).toEqual([404, 'route_not_found']);
    const put = await call('PUT', '/v1/orders?x=1', '{}');
    expect([put.status, put.body.code, put.headers.get('allow')]).toEqual([
      405,
      'method_not_allowed',
      'GET, HEAD, POST',
    ]);
    expect((await call('GET', '/v1/orders/o1')).headers.get('allow')).toBe('DELETE, PATCH');
    expect((await call('POST', '/v1/orders/o1/x')).status).toBe(404);
  });

  test('of a path: what no id can be does not exist, what is no URL is malformed', async () => {
    expect((await call('PATCH', '/v1/orders/%00')).body.code).toBe('not_found');
    expect((await call('PATCH', `/v1/orders/${'%C3%A4'.repeat(128)}`)).body.id).toBe('ä'.repeat(128));
  });

  test.each([
    ['a path that is no URL', 'GET /v1/orders/%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'],
    ['a method that is none', 'FOO /v1/orders HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['headers without end', `GET /v1/orders HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(20_000)}\r\n\r\n`],
    ['no host', 'GET /v1/orders HTTP/1.1\r\n\r\n'],
    ['what is expected', 'POST / HTTP/1.1\r\nHost: x\r\nExpect: x\r\n\r\n', 'expectation_failed'],
    ['a header that is none', 'GET /v1/orders HTTP/1.1\r\nHost: x\r\nX-Bad: \u0001\r\n\r\n'],
  ])('of the protocol, %s, is a problem too', async (_, bytes, code = 'malformed_request') => {
    const raw = await new Promise<string>((resolve) => {
      const socket = connect(Number(new URL(url).port), '127.0.0.1', () => socket.write(bytes));
      let text = '';
      socket.on('data', (chunk) => (text += chunk.toString())).on('close', () => resolve(text));
    });
    expect(raw).toContain(`HTTP/1.1 ${code === 'malformed_request' ? 400 : 417} `);
    expect(raw.toLowerCase()).toContain('content-type: application/problem+json');
    expect(raw).toContain(`"code":"${code}"`);
  });
});
