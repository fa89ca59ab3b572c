import {
  Server,
  ServerCredentials,
  type sendUnaryData,
  type ServerUnaryCall,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import gossipService from '@eventstore/db-client/generated/gossip_grpc_pb.js';
import gossip from '@eventstore/db-client/generated/gossip_pb.js';
import featuresService from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js';
import features from '@eventstore/db-client/generated/serverfeatures_pb.js';
import streamsService from '@eventstore/db-client/generated/streams_grpc_pb.js';
import { randomUUID } from 'node:crypto';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { createFaults } from './faults.js';
import { openServerLog } from './log.js';
import { notReady, uuidOf } from './messages.js';
import { reading } from './reading.js';
import { writing } from './writing.js';

/**
 * A process that speaks the protocol of EventStoreDB, for tests. Started by `start.ts`; obeys what its parent sends, and
 * ends with it. Freezing and killing it are signals: SIGSTOP, SIGCONT, SIGKILL. SIGTERM stops it slowly.
 */
interface Options {
  readonly port: number;
  readonly file?: string;
  /** Says "Server Is Not Ready" for so long after it began to listen. */
  readonly notReadyMs: number;
  /** Time between SIGTERM and the end, spent saying "Server Is Not Ready". */
  readonly stoppingMs: number;
}

export type Order =
  | { readonly order: 'lose answers'; readonly count: number }
  | { readonly order: 'drop connections' }
  | { readonly order: 'forget ids' }
  /** As somebody else would, whatever stands there. */
  | {
      readonly order: 'append';
      readonly stream: string;
      readonly type: string;
      readonly texts: readonly string[];
    }
  | { readonly order: 'tombstone'; readonly stream: string }
  | { readonly order: 'look'; readonly stream?: string };

const LEADER = 8;
const MAX_MESSAGE = 17 * 1024 * 1024;

const options = JSON.parse(process.argv[2] ?? '{}') as Options;
const log = openServerLog(options.file);
const faults = createFaults();
const reads = reading(log, faults);

const server = new Server({ 'grpc.max_receive_message_length': MAX_MESSAGE });
const add = (service: object, implementation: object): void =>
  server.addService(service as never, implementation as UntypedServiceImplementation);

add(streamsService.StreamsService, { read: reads.read, ...writing(log, faults) });
add(featuresService.ServerFeaturesService, {
  getSupportedMethods: (_: ServerUnaryCall<unknown, unknown>, answer: sendUnaryData<unknown>) => {
    if (!faults.ready()) return answer(notReady());
    const supported = new features.SupportedMethods();
    supported.setEventStoreServerVersion('24.2.0');
    for (const method of ['append', 'batchappend', 'read', 'delete', 'tombstone']) {
      const one = new features.SupportedMethod();
      one.setServiceName('event_store.client.streams.streams');
      one.setMethodName(method);
      supported.addMethods(one);
    }
    answer(null, supported);
  },
});
add(gossipService.GossipService, {
  read: (_: ServerUnaryCall<unknown, unknown>, answer: sendUnaryData<unknown>) => {
    const endPoint = new gossip.EndPoint();
    endPoint.setAddress('127.0.0.1');
    endPoint.setPort((door.address() as AddressInfo).port);
    const member = new gossip.MemberInfo();
    member.setInstanceId(uuidOf('00000000-0000-4000-8000-000000000001'));
    member.setTimeStamp('1');
    member.setState(LEADER);
    member.setIsAlive(true);
    member.setHttpEndPoint(endPoint);
    const cluster = new gossip.ClusterInfo();
    cluster.addMembers(member);
    answer(null, cluster);
  },
});

// connections come in through a door of our own, so that they can be dropped
const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
const sockets = new Set<Socket>();
const door = createServer((socket) => {
  socket.setNoDelay(true);
  sockets.add(socket);
  socket.on('close', () => sockets.delete(socket)).on('error', () => {});
  injector.injectConnection(socket);
});

let connections = 0;
door.on('connection', () => connections++);

function look(stream = '') {
  const visible = log.visible(stream);
  const stored = visible.found === 'events' ? visible.events : [];
  return {
    records: log.all.length,
    connections,
    subscriptions: reads.open.size,
    subscribedBehind: reads.lastStart(),
    delivered: reads.delivered(),
    texts: stored.map(({ data, metadata }) => [data, metadata].map((bytes) => Buffer.from(bytes).toString())),
  };
}

process.on('message', (message: Order & { readonly id: number }) => {
  let stream: string | undefined;
  switch (message.order) {
    case 'lose answers':
      faults.loseAnswers(message.count);
      break;
    case 'drop connections':
      sockets.forEach((socket) => socket.destroy());
      break;
    case 'forget ids':
      log.forgetIds();
      break;
    case 'append':
      log.append(
        message.stream,
        'any',
        message.texts.map((text) => ({
          id: randomUUID(),
          type: message.type,
          contentType: 'application/json',
          data: Buffer.from(text),
          metadata: new Uint8Array(),
        })),
      );
      break;
    case 'tombstone':
      log.tombstone(message.stream, 'any');
      break;
    case 'look':
      stream = message.stream;
      break;
  }
  process.send!({ done: message.id, ...look(stream) });
});
process.on('disconnect', () => process.exit(0));
process.on('SIGTERM', () => {
  faults.refuse();
  setTimeout(() => process.exit(0), options.stoppingMs);
});

if (options.notReadyMs > 0) {
  faults.refuse();
  setTimeout(faults.accept, options.notReadyMs);
}
door.listen(options.port, '127.0.0.1', () =>
  process.send!({ listening: (door.address() as AddressInfo).port }),
);
