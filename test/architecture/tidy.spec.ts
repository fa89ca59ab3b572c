import { describe, expect, test } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const sourcesIn = (...folders: string[]): readonly { file: string; text: string }[] =>
  folders
    .flatMap((folder) =>
      readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && /\.(ts|mjs|cjs|js)$/.test(entry.name))
        .map((entry) => join(entry.parentPath, entry.name)),
    )
    .map((file) => ({ file, text: readFileSync(file, 'utf8') }));

/** `file:line` of everything in `sources` that matches. */
const findings = (sources: ReturnType<typeof sourcesIn>, pattern: RegExp): readonly string[] =>
  sources.flatMap(({ file, text }) =>
    text.split('\n').flatMap((line, index) => (pattern.test(line) ? [`${file}:${index + 1}`] : [])),
  );

const readJson = <T>(file: string): T => JSON.parse(readFileSync(file, 'utf8')) as T;

interface Lock {
  readonly packages: Readonly<
    Record<string, { resolved?: string; optionalDependencies?: Readonly<Record<string, string>> }>
  >;
}

describe('the sources', () => {
  const product = sourcesIn('apps', 'libs');
  const all = [...product, ...sourcesIn('test').filter(({ file }) => !file.endsWith('tidy.spec.ts'))];

  test('keep every file under 400 lines', () => {
    const long = product
      .filter(({ text }) => !text.startsWith('// @generated') && text.split('\n').length > 401)
      .map(({ file }) => file);
    expect(long).toEqual([]);
  });

  test('leave nothing for later', () => {
    expect(findings(all, /\b(TODO|FIXME)\b/)).toEqual([]);
  });

  test('run every test', () => {
    const specs = all.filter(({ file }) => file.endsWith('.spec.ts'));
    const left = /\b(describe|test|it)\.(only|skip|todo)\b|^\s*(xit|xtest|xdescribe|fit|fdescribe)\(/;
    expect(findings(specs, left)).toEqual([]);
  });
});

describe('the lock file', () => {
  const { packages } = readJson<Lock>('package-lock.json');
  const locked = new Set(Object.keys(packages).map((path) => path.split('node_modules/').at(-1)));

  test('holds the packages of every platform, or `npm ci` fails', () => {
    const missing = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies)
        .filter((name) => !locked.has(name))
        .map((name) => `${path} wants ${name}`),
    );
    expect(missing).toEqual([]);
  });

  test('names no registry but the public one', () => {
    const foreign = Object.entries(packages)
      .filter(([, { resolved = '' }]) => !/^(https:\/\/registry\.npmjs\.org\/|$)/.test(resolved))
      .map(([path]) => path);
    expect(foreign).toEqual([]);
  });
});

describe('the README', () => {
  test('names only commands that exist', () => {
    const { scripts } = readJson<{ scripts: Readonly<Record<string, string>> }>('package.json');
    const readme = readFileSync('README.md', 'utf8');
    const named = [...readme.matchAll(/\bnpm (?:run (?:-s )?([\w:]+)|(start|test)\b)/g)].map(
      ([, script, short]) => script ?? short!,
    );
    expect(named.length).toBeGreaterThan(0);
    expect(named.filter((name) => !(name in scripts))).toEqual([]);
  });
});
