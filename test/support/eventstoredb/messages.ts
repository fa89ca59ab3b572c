import { Metadata, status, type ServiceError } from '@grpc/grpc-js';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import type { StreamIdentifier, UUID } from '@eventstore/db-client/generated/shared_pb.js';
import rpc from '@eventstore/db-client/generated/status_pb.js';
import type { Status } from '@eventstore/db-client/generated/status_pb.js';
import streams from '@eventstore/db-client/generated/streams_pb.js';
import type { ReadResp } from '@eventstore/db-client/generated/streams_pb.js';
import anything from 'google-protobuf/google/protobuf/any_pb.js';
import wellKnown from 'google-protobuf/google/protobuf/empty_pb.js';
import type { Expected, Proposed, Stored } from './log.js';

/** Between the server's own words and the messages of the protocol. */

export const textOf = (identifier: StreamIdentifier | undefined): string =>
  Buffer.from(identifier?.getStreamName_asU8() ?? []).toString();

export function identifierOf(stream: string): StreamIdentifier {
  const identifier = new shared.StreamIdentifier();
  identifier.setStreamName(Buffer.from(stream).toString('base64'));
  return identifier;
}

export function uuidOf(text: string): UUID {
  const uuid = new shared.UUID();
  uuid.setString(text);
  return uuid;
}

const UUID_TEXT = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const NIL = '00000000-0000-0000-0000-000000000000';

interface ExpectedOptions {
  hasNoStream(): boolean;
  hasAny(): boolean;
  hasStreamExists(): boolean;
}

/** @param revision unsigned on the wire, signed inside the server */
export function expectedOf(options: ExpectedOptions, revision: string): Expected {
  if (options.hasNoStream()) return 'no_stream';
  if (options.hasStreamExists()) return 'stream_exists';
  if (options.hasAny()) return 'any';
  const signed = BigInt.asIntN(64, BigInt(revision));
  if (signed === -1n) return 'no_stream';
  return signed === -2n ? 'any' : signed;
}

interface ProposedMessage {
  getId(): UUID | undefined;
  getMetadataMap(): { get(key: string): string | undefined };
  getData_asU8(): Uint8Array;
  getCustomMetadata_asU8(): Uint8Array;
}

/** @returns undefined for what the server calls a bad request */
export function proposedOf(message: ProposedMessage): Proposed | undefined {
  const id = (message.getId()?.getString() ?? '').toLowerCase();
  const type = message.getMetadataMap().get('type') ?? '';
  const contentType = message.getMetadataMap().get('content-type') ?? '';
  if (!UUID_TEXT.test(id) || id === NIL || type === '' || contentType === '') return undefined;
  return { id, type, contentType, data: message.getData_asU8(), metadata: message.getCustomMetadata_asU8() };
}

function recordOf(event: Stored) {
  const record = new streams.ReadResp.ReadEvent.RecordedEvent();
  record.setId(uuidOf(event.id));
  record.setStreamIdentifier(identifierOf(event.stream));
  record.setStreamRevision(String(event.revision));
  record.setCommitPosition(String(event.position));
  record.setPreparePosition(String(event.position));
  record
    .getMetadataMap()
    .set('type', event.type)
    .set('content-type', event.contentType)
    .set('created', String(BigInt(event.created) * 10_000n));
  record.setData(event.data);
  record.setCustomMetadata(event.metadata);
  return record;
}

/** @param target what a link points to; null when it points nowhere; undefined when it is to be shown as it is */
export function eventResponse(event: Stored, target?: Stored | null): ReadResp {
  const read = new streams.ReadResp.ReadEvent();
  if (target !== undefined) read.setLink(recordOf(event));
  const shown = target === undefined ? event : target;
  if (shown) read.setEvent(recordOf(shown));
  read.setCommitPosition(String(event.position));
  const response = new streams.ReadResp();
  response.setEvent(read);
  return response;
}

export function notFoundResponse(stream: string): ReadResp {
  const notFound = new streams.ReadResp.StreamNotFound();
  notFound.setStreamIdentifier(identifierOf(stream));
  const response = new streams.ReadResp();
  response.setStreamNotFound(notFound);
  return response;
}

export function confirmationResponse(id: string): ReadResp {
  const confirmation = new streams.ReadResp.SubscriptionConfirmation();
  confirmation.setSubscriptionId(id);
  const response = new streams.ReadResp();
  response.setConfirmation(confirmation);
  return response;
}

export function caughtUpResponse(): ReadResp {
  const response = new streams.ReadResp();
  response.setCaughtUp(new streams.ReadResp.CaughtUp());
  return response;
}

export function checkpointResponse(commit: bigint, prepare: bigint): ReadResp {
  const checkpoint = new streams.ReadResp.Checkpoint();
  checkpoint.setCommitPosition(String(commit));
  checkpoint.setPreparePosition(String(prepare));
  const response = new streams.ReadResp();
  response.setCheckpoint(checkpoint);
  return response;
}

/** A failed call; what the client makes of it depends on the `exception` among its trailers. */
export function callError(
  code: status,
  details: string,
  trailers: Readonly<Record<string, string>> = {},
): Partial<ServiceError> {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(trailers)) metadata.set(key, value);
  return { code, details, metadata };
}

export const deletedError = (stream: string): Partial<ServiceError> =>
  callError(status.FAILED_PRECONDITION, `Event stream '${stream}' is deleted.`, {
    exception: 'stream-deleted',
    'stream-name': stream,
  });

export const notReady = (): Partial<ServiceError> => callError(status.UNAVAILABLE, 'Server Is Not Ready');

interface Packable {
  serializeBinary(): Uint8Array;
}

/** The error of a batch append: a status with the details packed in. */
export function batchError(code: status, message: string, typeName: string, details: Packable): Status {
  const packed = new anything.Any();
  packed.pack(details.serializeBinary(), typeName);
  const error = new rpc.Status();
  error.setCode(code as number);
  error.setMessage(message);
  error.setDetails(packed);
  return error;
}

export const plainBatchError = (code: status, message: string): Status =>
  batchError(code, message, 'google.protobuf.Empty', new wellKnown.Empty());

export function wrongVersionDetails(expected: Expected, current: bigint): Packable {
  const details = new shared.WrongExpectedVersion();
  if (current < 0n) details.setCurrentNoStream(new wellKnown.Empty());
  else details.setCurrentStreamRevision(String(current));
  if (expected === 'any') details.setExpectedAny(new wellKnown.Empty());
  else if (expected === 'no_stream') details.setExpectedNoStream(new wellKnown.Empty());
  else if (expected === 'stream_exists') details.setExpectedStreamExists(new wellKnown.Empty());
  else details.setExpectedStreamPosition(String(expected));
  return details;
}
