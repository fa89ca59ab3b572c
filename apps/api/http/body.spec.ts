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

  test('has no members that every object has', () => {
    expect(refusalOf('{"toString":1,"first":{"valueOf":1},"hasOwn":1}')).toEqual([
      'validation_failed',
      '/toString forbidden_name',
      '/first/valueOf forbidden_name',
    ]);
  });
});
