import { describe, expect, test } from '@jest/globals';
import { Problem } from '#libs/kernel';
import {
  Field,
  IsAmount,
  IsFeatureValue,
  IsIdList,
  IsListOf,
  IsMetadata,
  IsNumberWithin,
  IsObjectOf,
  IsOneOf,
  IsText,
} from './fields.js';
import { readBody } from './validation.js';

class Part {
  @Field(IsText(5))
  label!: string;
}

class Sample {
  @Field(IsAmount(), { optional: 'not-null', type: String })
  amount?: string | number;

  @Field(IsAmount({ signed: true }), { optional: true, type: String })
  signed?: string | number;

  @Field(IsAmount({ positive: true }), { optional: true, type: String })
  positive?: string | number;

  @Field(IsText(10), { optional: 'not-null' })
  name?: string;

  @Field(IsOneOf(['a', 'b']), { optional: 'not-null' })
  kind?: string;

  @Field(IsNumberWithin(0, 100), { optional: true })
  priority?: number;

  @Field(IsFeatureValue(), { optional: true, type: String })
  value?: boolean | number | string;

  @Field(IsIdList(1, 2), { optional: true, type: [String] })
  ids?: string[];

  @Field(IsMetadata(), { optional: true, type: Object, additionalProperties: true })
  metadata?: Record<string, string>;

  @Field(IsObjectOf(() => Part), { optional: true, type: Part })
  first?: Part;

  @Field(IsListOf(() => Part, 1, 3), { optional: true, type: [Part] })
  parts?: Part[];
}

function issuesOf(body: object): readonly string[] {
  try {
    readBody(Sample, body);
    return [];
  } catch (error) {
    return ((error as Problem).errors ?? []).map(({ pointer, code }) => `${pointer} ${code}`);
  }
}

const many = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, '']));

describe('a field', () => {
  test.each([
    [{ amount: '-1' }, '/amount amount_not_positive'],
    [{ amount: '1.1234567890123' }, '/amount amount_too_precise'],
    [{ amount: `1${'0'.repeat(24)}` }, '/amount amount_out_of_range'],
    [{ amount: 2 ** 53 }, '/amount amount_out_of_range'],
    [{ amount: 0.5 }, '/amount amount_not_whole_number'],
    [{ amount: null }, '/amount amount_invalid'],
    [{ amount: ['1'] }, '/amount amount_invalid'],
    [{ positive: '0' }, '/positive amount_not_positive'],
    [{ signed: '--1' }, '/signed amount_invalid'],
    [{ name: '' }, '/name too_short'],
    [{ name: null }, '/name type'],
    [{ name: 'a\0' }, '/name text_invalid'],
    [{ name: '\ud800' }, '/name text_invalid'],
    [{ kind: null }, '/kind not_allowed'],
    [{ priority: '1' }, '/priority type'],
    [{ priority: 100.1 }, '/priority out_of_range'],
    [{ priority: -1 }, '/priority out_of_range'],
    [{ value: 0.5 }, '/value amount_not_whole_number'],
    [{ value: 'x'.repeat(256) }, '/value too_long'],
    [{ value: {} }, '/value type'],
    [{ ids: 'a' }, '/ids type'],
    [{ ids: [] }, '/ids out_of_range'],
    [{ ids: ['a', '-'] }, '/ids id_invalid'],
    [{ first: [] }, '/first type'],
    [{ first: 'x' }, '/first type'],
    [{ parts: {} }, '/parts type'],
    [{ parts: [] }, '/parts out_of_range'],
    [{ metadata: [] }, '/metadata metadata_invalid'],
    [{ metadata: { a: { b: 'c' } } }, '/metadata metadata_invalid'],
    [{ metadata: { ['x'.repeat(41)]: '' } }, '/metadata metadata_invalid'],
    [{ metadata: many(51) }, '/metadata metadata_invalid'],
  ])('%j: %s', (members, issue) => expect(issuesOf(members)).toEqual([issue]));

  test.each([
    [{ amount: 0, signed: '-1.5', positive: '0.000000000001', priority: 0.5 }],
    [{ value: false }],
    [{ value: 'gold', ids: ['a', 'b:c'], metadata: many(50) }],
    [{ first: { label: 'x' }, parts: [{ label: 'y' }], name: '😀' }],
    [{ positive: null, ids: null, metadata: null, first: null, parts: null }],
  ])('%j is fine', (members) => expect(issuesOf(members)).toEqual([]));

  test('reads into the class, nested ones too', () => {
    const { first, parts } = readBody(Sample, { first: { label: 'x' }, parts: [{ label: 'y' }] });
    expect([first, parts?.[0]].every((part) => part instanceof Part)).toBe(true);
  });
});
