import { status, type sendUnaryData, type ServerUnaryCall } from '@grpc/grpc-js';
import type { IStreamsServer } from '@eventstore/db-client/generated/streams_grpc_pb.js';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import streams from '@eventstore/db-client/generated/streams_pb.js';
import type {
  AppendReq,
  BatchAppendReq,
  BatchAppendResp,
  DeleteReq,
  DeleteResp,
  TombstoneReq,
  TombstoneResp,
} from '@eventstore/db-client/generated/streams_pb.js';
import type { Status } from '@eventstore/db-client/generated/status_pb.js';
import { MAX_APPEND_SIZE, type Expected, type Outcome, type Proposed, type ServerLog } from './log.js';
import {
  batchError,
  callError,
  deletedError,
  expectedOf,
  identifierOf,
  notReady,
  plainBatchError,
  proposedOf,
  textOf,
  wrongVersionDetails,
} from './messages.js';
import type { Faults } from './faults.js';

/** A bad request is answered twice, this far apart. */
const SECOND_REFUSAL_MS = 2000;

type Writing = Pick<IStreamsServer, 'append' | 'batchAppend' | 'delete' | 'tombstone'>;

/** What changes the log. */
export function writing(log: ServerLog, faults: Faults): Writing {
  return {
    append: (call, answer) => {
      let options: AppendReq.Options | undefined;
      const proposed: (Proposed | undefined)[] = [];
      call.on('data', (request: AppendReq) => {
        if (request.hasOptions()) options = request.getOptions();
        else proposed.push(proposedOf(request.getProposedMessage()!));
      });
      call.on('end', () => {
        if (!faults.ready()) return answer(notReady());
        if (!options || proposed.includes(undefined))
          return answer(callError(status.INVALID_ARGUMENT, 'Bad Request'));
        const stream = textOf(options.getStreamIdentifier());
        const expected = expectedOf(options, options.getRevision());
        const outcome = log.append(stream, expected, proposed as Proposed[]);
        if (!faults.answers()) return;
        if (outcome.outcome === 'deleted') return answer(deletedError(stream));
        if (outcome.outcome === 'too big') return answer(tooBig());
        answer(null, appendResponse(outcome));
      });
    },

    batchAppend: (call) => {
      const open = new Map<
        string,
        { options?: BatchAppendReq.Options; proposed: (Proposed | undefined)[] }
      >();
      const write = (response: BatchAppendResp): void => void (call.writable && call.write(response));
      call.on('data', (request: BatchAppendReq) => {
        const id = request.getCorrelationId()!.getString();
        const batch = open.get(id) ?? { proposed: [] };
        open.set(id, batch);
        if (request.hasOptions()) batch.options = request.getOptions();
        for (const message of request.getProposedMessagesList()) batch.proposed.push(proposedOf(message));
        if (!request.getIsFinal()) return;
        open.delete(id);
        const { options, proposed } = batch;
        const respond = (fill: (response: BatchAppendResp) => void): void => {
          const response = new streams.BatchAppendResp();
          response.setCorrelationId(request.getCorrelationId());
          response.setStreamIdentifier(options?.getStreamIdentifier());
          fill(response);
          write(response);
        };
        const refuse = (error: Status): void => respond((response) => response.setError(error));
        if (!faults.ready()) return refuse(plainBatchError(status.UNAVAILABLE, 'Server Is Not Ready'));
        if (!options || proposed.includes(undefined)) {
          const bad = () => refuse(plainBatchError(status.INVALID_ARGUMENT, 'BadRequest'));
          bad();
          setTimeout(bad, SECOND_REFUSAL_MS);
          return;
        }
        const deadline = options.getDeadline()?.toDate().getTime() ?? Infinity;
        if (deadline <= Date.now())
          return refuse(
            batchError(
              status.DEADLINE_EXCEEDED,
              'Timeout',
              'event_store.client.Timeout',
              new shared.Timeout(),
            ),
          );
        const stream = textOf(options.getStreamIdentifier());
        const outcome = log.append(
          stream,
          expectedOf(options, options.getStreamPosition()),
          proposed as Proposed[],
        );
        if (!faults.answers()) return;
        const error = batchErrorOf(stream, outcome);
        if (error) return refuse(error);
        if (outcome.outcome === 'written') respond((response) => response.setSuccess(batchSuccess(outcome)));
      });
      call.on('end', () => call.end());
      call.on('error', () => {});
    },

    delete: (call, answer) => remove(log.remove, new streams.DeleteResp(), faults, call, answer),
    tombstone: (call, answer) => remove(log.tombstone, new streams.TombstoneResp(), faults, call, answer),
  };
}

function batchErrorOf(stream: string, outcome: Outcome): Status | undefined {
  switch (outcome.outcome) {
    case 'written':
      return undefined;
    case 'conflict':
      return batchError(
        status.FAILED_PRECONDITION,
        'WrongExpectedVersion',
        'event_store.client.WrongExpectedVersion',
        wrongVersionDetails(outcome.expected, outcome.current),
      );
    case 'deleted': {
      const details = new shared.StreamDeleted();
      details.setStreamIdentifier(identifierOf(stream));
      return batchError(
        status.FAILED_PRECONDITION,
        'StreamDeleted',
        'event_store.client.StreamDeleted',
        details,
      );
    }
    case 'too big': {
      const details = new shared.MaximumAppendSizeExceeded();
      details.setMaxappendsize(MAX_APPEND_SIZE);
      return batchError(
        status.INVALID_ARGUMENT,
        'MaximumAppendSizeExceeded',
        'event_store.client.MaximumAppendSizeExceeded',
        details,
      );
    }
  }
}

type Written = Extract<Outcome, { outcome: 'written' }>;

function batchSuccess({ revision, position }: Written) {
  const success = new streams.BatchAppendResp.Success();
  if (revision >= 0n) success.setCurrentRevision(String(revision));
  const at = new shared.AllStreamPosition();
  at.setCommitPosition(String(position));
  at.setPreparePosition(String(position));
  success.setPosition(at);
  return success;
}

function appendResponse(outcome: Extract<Outcome, { outcome: 'written' | 'conflict' }>) {
  const response = new streams.AppendResp();
  if (outcome.outcome === 'written') {
    const success = new streams.AppendResp.Success();
    if (outcome.revision >= 0n) success.setCurrentRevision(String(outcome.revision));
    const at = new streams.AppendResp.Position();
    at.setCommitPosition(String(outcome.position));
    at.setPreparePosition(String(outcome.position));
    success.setPosition(at);
    response.setSuccess(success);
    return response;
  }
  const { expected, current } = outcome;
  const wrong = new streams.AppendResp.WrongExpectedVersion();
  if (current < 0n) wrong.setCurrentNoStream(new shared.Empty());
  else wrong.setCurrentRevision(String(current));
  if (expected === 'any') wrong.setExpectedAny(new shared.Empty());
  else if (expected === 'no_stream') wrong.setExpectedNoStream(new shared.Empty());
  else if (expected === 'stream_exists') wrong.setExpectedStreamExists(new shared.Empty());
  else wrong.setExpectedRevision(String(expected));
  response.setWrongExpectedVersion(wrong);
  return response;
}

const tooBig = () =>
  callError(status.INVALID_ARGUMENT, `Maximum Append Size of ${MAX_APPEND_SIZE} Exceeded.`, {
    exception: 'maximum-append-size-exceeded',
    'maximum-append-size': String(MAX_APPEND_SIZE),
  });

/** The numbers by which the server speaks of expectations. */
function numberOf(expected: Expected): bigint {
  if (expected === 'any') return -2n;
  if (expected === 'no_stream') return -1n;
  return expected === 'stream_exists' ? -4n : expected;
}

/** Delete and tombstone: their messages have the same form. */
function remove<Response extends DeleteResp | TombstoneResp>(
  act: (stream: string, expected: Expected) => Outcome,
  response: Response,
  faults: Faults,
  call: ServerUnaryCall<DeleteReq | TombstoneReq, Response>,
  answer: sendUnaryData<Response>,
): void {
  if (!faults.ready()) return answer(notReady());
  const options = call.request.getOptions()!;
  const stream = textOf(options.getStreamIdentifier());
  const outcome = act(stream, expectedOf(options, options.getRevision()));
  if (outcome.outcome === 'deleted') return answer(deletedError(stream));
  if (outcome.outcome === 'conflict') {
    const [expected, actual] = [numberOf(outcome.expected), outcome.current];
    const details = `Delete failed due to WrongExpectedVersion. Stream: ${stream}, Expected version: ${expected}, Actual version: ${actual}`;
    return answer(
      callError(status.FAILED_PRECONDITION, details, {
        exception: 'wrong-expected-version',
        'stream-name': stream,
        'expected-version': String(expected),
        'actual-version': String(actual),
      }),
    );
  }
  if (outcome.outcome === 'too big') return answer(tooBig());
  const at = new streams.DeleteResp.Position();
  at.setCommitPosition(String(outcome.position));
  at.setPreparePosition(String(outcome.position));
  response.setPosition(at);
  answer(null, response);
}
