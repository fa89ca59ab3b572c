import { EventStoreDBClient, NO_STREAM } from '@eventstore/db-client';
import { randomUUID } from 'node:crypto';
import { describeError } from './asking.js';

/** What the server calls a bad request. The client is told so, and told again two seconds later, which ends its process. */
const BAD = {
  'no uuid': { id: 'not-a-uuid' },
  'the nil uuid': { id: '00000000-0000-0000-0000-000000000000' },
  'an empty type': { type: '' },
};

export type Bad = keyof typeof BAD;

/** Sends it and tells the parent how the append ended. The process lives on only to die of the second answer. */
export async function sendBadRequest(url: string, bad: Bad): Promise<void> {
  const client = EventStoreDBClient.connectionString(url);
  const event = {
    id: randomUUID(),
    type: 'T',
    contentType: 'application/json',
    data: {},
    metadata: undefined,
  } as const;
  const sending = client.appendToStream(`0bad-${randomUUID()}`, [{ ...event, ...BAD[bad] }], {
    expectedRevision: NO_STREAM,
  });
  const { class: kind, message } = await sending.then(() => ({ class: 'ok', message: '' }), describeError);
  process.send!({ class: kind, message });
}
