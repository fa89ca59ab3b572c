import { describe, expect, test } from '@jest/globals';
import type { RecordedEvent } from '#libs/event-store';
import fc from 'fast-check';
import { canonicalJson } from '#libs/kernel';
import {
  changed,
  EVENT_TYPES,
  eventTypesOf,
  metadataMember,
  payloadFaults,
  SCHEMAS,
  UnknownEvent,
  upcast,
} from './index.js';

const event = (more: Partial<RecordedEvent> = {}, schemaVersion: unknown = 1): RecordedEvent => ({
  id: 'e',
  stream: 'creditAccount-t_c',
  revision: 4,
  position: 12n,
  type: 'GrantExpired',
  data: {},
  metadata: { schemaVersion },
  ...more,
});

const add = (name: string) => ({
  says: `adds ${name}`,
  upcast: (data: Readonly<Record<string, unknown>>) => ({ ...data, [name]: Object.keys(data).length }),
});
const TYPES = new Map([['GrantExpired', changed(add('second'), add('third'))]]);

describe('upcasting', () => {
  test('hands an event of the newest version on as it is', () => {
    const newest = event({}, 3);
    expect(upcast(newest, TYPES)).toBe(newest);
  });

  test('chains an older version to the newest, step by step, and leaves what was read alone', () => {
    const oldest = Object.freeze(event({ data: Object.freeze({ first: 0 }) }));
    const newest = upcast(oldest, TYPES);
    expect(newest).toEqual({
      ...oldest,
      data: { first: 0, second: 1, third: 2 },
      metadata: { schemaVersion: 3 },
    });
    expect(upcast(event({ data: { first: 0 } }, 2), TYPES).data).toEqual({ first: 0, third: 1 });
    expect(upcast(newest, TYPES)).toBe(newest);
  });

  test.each([4, 0, -1, 1.5, '1', null, undefined, NaN])('stops at version %j', (version) => {
    const unknown = event({ metadata: { schemaVersion: version } });
    expect(() => upcast(unknown, TYPES)).toThrow(UnknownEvent);
    expect(() => upcast(unknown, TYPES)).toThrow(
      `GrantExpired, version ${JSON.stringify(version) ?? 'none'}, at revision 4 of stream creditAccount-t_c, position 12`,
    );
  });

  test('stops at a type of another category, or of none', () => {
    for (const type of ['MeterCreated', 'toString', ''])
      expect(() => upcast(event({ type }), eventTypesOf('creditAccount'))).toThrow(UnknownEvent);
    expect(() => eventTypesOf('parcel')).toThrow('parcel');
  });
});

test('a member of metadata is the same read off the text and parsed', () => {
  const tricky = fc.constantFrom(
    '"schemaVersion":7',
    ',"recordedAt":"x"',
    '{"schemaVersion":7}',
    'a\\\\"b',
    '',
  );
  const nested = fc.constantFrom({ schemaVersion: 7 }, { recordedAt: 'x', tenant: 5 }, [{ tenant: 't' }]);
  const value = fc.oneof(
    tricky,
    nested,
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.jsonValue(),
  );
  const members = fc.record(
    { actor: value, recordedAt: value, schemaVersion: value, tenant: value, zone: value },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(members, (metadata) => {
      const metadataText = canonicalJson(metadata);
      const parsed = JSON.parse(metadataText) as RecordedEvent['metadata'];
      for (const name of ['recordedAt', 'schemaVersion', 'tenant'] as const)
        expect(metadataMember(event({ metadata: parsed, metadataText }), name)).toEqual(parsed[name]);
    }),
    { numRuns: 2000 },
  );
});

describe('the schemas', () => {
  const expired = {
    grantId: 'g',
    unit: 'calls',
    amount: '4',
    balanceAfter: '0',
    expiredAt: '2026-01-01T00:00:00.000Z',
  };

  test('are there for every version of every type, and for nothing else', () => {
    const versions = [...EVENT_TYPES].flatMap(([category, types]) =>
      [...types].flatMap(([type, { version }]) =>
        Array.from({ length: version }, (_, index) => `${category}/${type}.v${index + 1}`),
      ),
    );
    expect([...SCHEMAS.keys()].sort()).toEqual(versions.sort());
  });

  test('find nothing in a payload as it should be, each version by its own', () => {
    expect(payloadFaults(event({ data: expired }))).toEqual([]);
    expect(payloadFaults(event({ data: { ...expired, cause: 'ended' } }, 2))).toEqual([]);
    expect(payloadFaults(event({ data: { ...expired, cause: 'ended' } }, 1))).toEqual([
      'payload must NOT have additional properties (cause)',
    ]);
    expect(payloadFaults(event({ data: expired }, 2))).toEqual([
      "payload must have required property 'cause'",
    ]);
  });

  test.each([
    ['amount', '4.0'],
    ['amount', '04'],
    ['amount', '-4'],
    ['amount', '4e3'],
    ['amount', '1.0000000000001'],
    ['amount', 4],
    ['expiredAt', '2026-01-01T00:00:00Z'],
    ['expiredAt', '2026-01-01T00:00:00.000+00:00'],
    ['grantId', ''],
    ['grantId', 'a b'],
    ['unit', null],
  ])('find %s: %j', (member, value) => {
    const faults = payloadFaults(event({ data: { ...expired, [member]: value } }));
    expect(faults).toEqual([expect.stringMatching(`^payload/${member} must`)]);
  });

  test.each(['0', '7', '0.5', '10.000000000001', '999999999999999999999999'])(
    'take the amount %s',
    (amount) => {
      expect(payloadFaults(event({ data: { ...expired, amount } }))).toEqual([]);
    },
  );

  test('find one fault in what is not known, and none in what is somebody else’s', () => {
    expect(payloadFaults(event({}, 3))).toEqual(['unknown event: GrantExpired, version 3']);
    expect(payloadFaults(event({ type: 'GrantDoubled' }))).toHaveLength(1);
    expect(payloadFaults(event({ metadata: {} }))).toHaveLength(1);
    expect(payloadFaults(event({ data: expired }, '1'))).toHaveLength(1);
    expect(payloadFaults(event({ stream: 'parcel-t_1' }))).toEqual([]);
    expect(payloadFaults(event({ stream: 'nodash' }))).toEqual([]);
  });
});
