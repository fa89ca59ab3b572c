import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { canonicalize } from 'json-canonicalize';
import { createHash } from 'node:crypto';
import { chainEvent, createChainVerifier, genesisHash, type RecordedEvent } from '#libs/event-store';
import { verifyChain } from '../../test/support/verify-chain.js';

const sha256 = (text: string): string => createHash('sha256').update(text, 'utf8').digest('hex');

const STREAM = 'creditAccount-t1_ä';

/** A stream as the store would give it back. */
function recordStream(stream: string, length: number): RecordedEvent[] {
  let previousHash: string | null = null;
  return Array.from({ length }, (_, revision) => {
    const { event, hash } = chainEvent({
      stream,
      previousHash,
      type: 'CreditsConsumed',
      data: { amount: String(revision), note: 'ü🎲', nested: { b: [1, { a: null }], a: true } },
      metadata: { tenant: 't1', actor: 'key_1', schemaVersion: 1 },
    });
    previousHash = hash;
    const { id, type, data, metadata } = event;
    return {
      id,
      type,
      stream,
      revision,
      position: BigInt(revision + 1),
      data: JSON.parse(data),
      metadata: JSON.parse(metadata),
    };
  });
}

const at = (events: readonly RecordedEvent[], index: number): RecordedEvent => events[index]!;
const replaced = (
  events: readonly RecordedEvent[],
  index: number,
  changes: Partial<RecordedEvent>,
): RecordedEvent[] => events.with(index, { ...at(events, index), ...changes });
const faultsAt = async (events: readonly RecordedEvent[]): Promise<number[]> =>
  (await verifyChain(events)).faults.map(({ revision }) => revision);

describe('chainEvent', () => {
  test('makes the bytes that are documented', () => {
    const previousHash = '0f8ef3377b30fc47f96b48247f463a726a802f62f3faa03d56403751d2f66c67';
    expect(genesisHash('a-1')).toBe(sha256('a-1'));
    const { event, hash } = chainEvent({
      stream: 'a-1',
      previousHash,
      type: 'Granted',
      data: { b: '1', a: 'ä' },
      metadata: { z: 1, i: 2, a: 3 },
    });
    expect(hash).toBe(
      sha256(`${previousHash}{"data":{"a":"ä","b":"1"},"metadata":{"a":3,"i":2,"z":1},"type":"Granted"}`),
    );
    expect(event).toEqual({
      id: `${hash.slice(0, 8)}-${hash.slice(8, 12)}-8${hash.slice(13, 16)}-${event.id[19]}${hash.slice(17, 20)}-${hash.slice(20, 32)}`,
      type: 'Granted',
      data: '{"a":"ä","b":"1"}',
      metadata: `{"a":3,"hash":"${hash}","i":2,"previousHash":"${previousHash}","z":1}`,
    });
    expect(event.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  test('agrees with another implementation of RFC 8785, whatever the input', () => {
    const members = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ noUnicodeString: false }));
    const metadata = fc
      .tuple(
        members,
        fc.dictionary(fc.constantFrom('a', 'hasg', 'hashA', 'hasi', 'pre', 'previousHashA', 'z'), fc.nat()),
      )
      .map(([some, near]) => ({ ...some, ...near }))
      .filter((value) => !('hash' in value) && !('previousHash' in value));
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), members, metadata, (type, data, meta) => {
        const { event, hash } = chainEvent({
          stream: STREAM,
          previousHash: null,
          type,
          data,
          metadata: meta,
        });
        const previousHash = sha256(STREAM);
        expect(hash).toBe(sha256(previousHash + canonicalize({ data, metadata: meta, type })));
        expect(event.data).toBe(canonicalize(data));
        expect(event.metadata).toBe(canonicalize({ ...meta, previousHash, hash }));
      }),
      { numRuns: 500 },
    );
  });

  test('gives the same event for the same input, and another one for any other', () => {
    const link = { stream: STREAM, previousHash: null, type: 'T', data: { a: 1, b: 2 }, metadata: { c: 3 } };
    const { event } = chainEvent(link);
    expect(chainEvent({ ...link, data: { b: 2, a: 1 } }).event).toEqual(event);
    expect(chainEvent({ ...link, previousHash: genesisHash(STREAM) }).event).toEqual(event);
    for (const change of [
      { stream: 'other-1' },
      { previousHash: event.id },
      { type: 'U' },
      { data: { a: 2 } },
      { metadata: {} },
    ])
      expect(chainEvent({ ...link, ...change }).event.id).not.toBe(event.id);
  });

  test('leaves out what is undefined, and takes empty metadata', () => {
    const link = { stream: STREAM, previousHash: null, type: 'T', data: {} };
    expect(chainEvent({ ...link, metadata: { a: undefined } })).toEqual(
      chainEvent({ ...link, metadata: {} }),
    );
    expect(Object.keys(JSON.parse(chainEvent({ ...link, metadata: {} }).event.metadata))).toEqual([
      'hash',
      'previousHash',
    ]);
  });

  test.each(['hash', 'previousHash'])('refuses metadata that carries %s', (key) => {
    const link = { stream: STREAM, previousHash: null, type: 'T', data: {}, metadata: { [key]: 'x' } };
    expect(() => chainEvent(link)).toThrow('carries a hash already');
  });
});

describe('the verifier of chains', () => {
  const events = recordStream(STREAM, 6);

  test('finds nothing wrong with what was chained', async () => {
    expect(await verifyChain(events)).toEqual({ checked: 6, faults: [] });
    expect(await verifyChain([])).toEqual({ checked: 0, faults: [] });
  });

  test('reports a changed byte at its place, and only there', async () => {
    const { data, metadata } = at(events, 3);
    const changes: Partial<RecordedEvent>[] = [
      { data: { ...data, amount: '4' } },
      { data: { ...data, more: null } },
      { data: { ...data, nested: { b: [1, { a: 0 }], a: true } } },
      { metadata: { ...metadata, actor: 'key_2' } },
      { type: 'CreditsConsumee' },
      { id: at(events, 2).id },
    ];
    for (const change of changes) expect(await faultsAt(replaced(events, 3, change))).toEqual([3]);
    const { faults } = await verifyChain(replaced(events, 3, changes[0]!));
    expect(faults).toEqual([
      { stream: STREAM, revision: 3, position: 4n, reason: 'the content does not match the hash' },
    ]);
  });

  test('reports a changed hash, also at the next event, which was linked to the old one', async () => {
    const { metadata } = at(events, 3);
    expect(await faultsAt(replaced(events, 3, { metadata: { ...metadata, hash: 'f'.repeat(64) } }))).toEqual([
      3, 4,
    ]);
    expect(
      await faultsAt(replaced(events, 3, { metadata: { ...metadata, previousHash: 'f'.repeat(64) } })),
    ).toEqual([3]);
    expect(await faultsAt(replaced(events, 3, { metadata: {} }))).toEqual([3, 4]);
  });

  test('reports an event that was replaced together with its hash', async () => {
    const { type, metadata } = at(events, 3);
    const forged = chainEvent({
      stream: STREAM,
      previousHash: String(metadata.previousHash),
      type,
      data: { amount: '1000' },
      metadata: {},
    }).event;
    const change = { id: forged.id, data: JSON.parse(forged.data), metadata: JSON.parse(forged.metadata) };
    expect(await faultsAt(replaced(events, 3, change))).toEqual([4]);
  });

  test('reports dropped events: by the gap, and by the hash when the revisions were closed up', async () => {
    const dropped = events.toSpliced(2, 1);
    expect((await verifyChain(dropped)).faults).toMatchObject([
      { revision: 3, reason: expect.stringContaining('revision 3 follows 1') },
    ]);
    expect(await faultsAt(dropped.map((event, revision) => ({ ...event, revision })))).toEqual([2]);
    expect((await verifyChain(events.slice(1))).faults).toMatchObject([
      { revision: 1, reason: expect.stringContaining('begins at revision 1') },
    ]);
  });

  test('reports inserted and swapped events', async () => {
    const renumber = (list: readonly RecordedEvent[]) =>
      list.map((event, revision) => ({ ...event, revision }));
    expect(await faultsAt(renumber(events.toSpliced(3, 0, at(events, 1))))).toEqual([3, 4]);
    expect(await faultsAt(renumber([0, 1, 3, 2, 4, 5].map((i) => at(events, i))))).toEqual([2, 3, 4]);
  });

  test('reports an event moved to another stream', async () => {
    expect(await faultsAt(events.map((event) => ({ ...event, stream: 'creditAccount-t1_other' })))).toEqual([
      0,
    ]);
  });

  test('follows many streams at once, and says where each stands', () => {
    const streams = ['a-1', 'b-2', 'c-3'].map((stream) => recordStream(stream, 4));
    const verifier = createChainVerifier();
    for (let i = 0; i < 4; i++)
      for (const stream of streams) expect(verifier.check(at(stream, i))).toBeNull();
    expect(verifier.checked).toBe(12);
    expect([...verifier.heads]).toEqual(
      streams.map((stream) => [at(stream, 3).stream, { revision: 3, hash: at(stream, 3).metadata.hash }]),
    );
  });

  test('reads what comes as it comes', async () => {
    async function* source() {
      yield* events;
    }
    expect(await verifyChain(source())).toEqual({ checked: 6, faults: [] });
  });
});
