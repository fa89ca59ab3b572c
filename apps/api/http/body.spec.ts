import { describe, expect, test } from '@jest/globals';
import type { Problem } from '#libs/kernel';
import { readJsonBody } from './body.js';

const refusalOf = (text: string): readonly string[] => {
  try {
    readJsonBody(Buffer.from(text));
    return [];
  } catch (error) {
    const { code, errors = [] } = error as Problem;
    return [code, ...errors.map((issue) => `${issue.pointer} ${issue.code}`)];
  }
};

describe('a JSON body', () => {
  test('names a member once: of two nobody knows which was meant', () => {
    for (const twice of [
      '{"amount":"1","amount":"2"}',
      '{"amount":"1","amount":"1"}',
      '{"first":{"label":"a","label":"a"}}',
      '[{"label":"a"},{"\\u006cabel":"b","label" : "b"}]',
    ])
      expect([twice, refusalOf(twice)]).toEqual([twice, ['malformed_json']]);
    const odd = ['":"', '\\', '\\":', '{"amount":"2"}', ',', '"'.repeat(400_000), '\\'.repeat(400_000)];
    for (const text of odd)
      for (const value of [text, [text, text], { a: text, b: { a: text }, ':': 1, '"': { ',': 2 } }])
        expect(readJsonBody(Buffer.from(JSON.stringify(value)))).toEqual(value);
  });

  test('names the place of what no store can keep, and of names that could pollute', () => {
    const text = '{"metadata":{"a":"x\\u0000"},"lines":[{"label":"\\ud800"}],"__proto__":1,"":"\\udc00"}';
    expect(refusalOf(text)).toEqual([
      'validation_failed',
      '/metadata/a text_invalid',
      '/lines/0/label text_invalid',
      '/__proto__ forbidden_name',
      '/ text_invalid',
    ]);
  });

  test('has no numbers that would be rounded', () => {
    const rounded = (number: string): readonly string[] => refusalOf(`{"list":[{"amount":${number}},"a"]}`);
    for (const number of [
      ...['9007199254740991.4', '9007199254740990.6', '-4503599627370497.3', '1.00000000000000001'],
      ...['0.99999999999999999', '0.10000000000000001', '1.00000000000000001e3', '1e-400'],
    ])
      expect([number, rounded(number)]).toEqual([
        number,
        ['validation_failed', '/list/0/amount number_too_precise'],
      ]);
    const text = ' 9007199254740991.4, 1.00000000000000001 \\" : 0.99999999999999999';
    expect(refusalOf(JSON.stringify({ [text]: text, 'a"': 1 }))).toEqual([]);
    for (const number of [
      ...['9007199254740991', '1.50000000000000000000', '0.1', '1e3', '1000000000000000000000e-18', '0.0'],
      ...['12345678901234567890', '1e30', '1E400', '1e-300', '-0', '100000000000000000000e-20'],
    ])
      expect([number, rounded(number)]).toEqual([number, []]);
  });

  test('has no members that every object has', () => {
    expect(refusalOf('{"toString":1,"first":{"valueOf":1},"hasOwn":1}')).toEqual([
      'validation_failed',
      '/toString forbidden_name',
      '/first/valueOf forbidden_name',
    ]);
  });
});
