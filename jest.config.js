import { readFileSync } from 'node:fs';

const swc = JSON.parse(readFileSync(new URL('./.swcrc', import.meta.url), 'utf8'));

/** @type {import('jest').ProjectConfig} */
const project = {
  testEnvironment: 'node',
  // lets "#libs/*" resolve to the sources (package.json "imports", condition "source")
  testEnvironmentOptions: { customExportConditions: ['source', 'node', 'node-addons'] },
  roots: ['<rootDir>/apps', '<rootDir>/libs', '<rootDir>/test'],
  testRegex: '\\.spec\\.ts$',
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '^.+\\.ts$': ['@swc/jest', { ...swc, swcrc: false, sourceMaps: 'inline' }] },
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  globalSetup: '<rootDir>/test/support/global-setup.mjs',
  globalTeardown: '<rootDir>/test/support/global-teardown.mjs',
};

/** @type {import('jest').Config} */
export default {
  projects: [
    { ...project, displayName: 'ledger' },
    // the end-to-end tests once more, on the other event store
    {
      ...project,
      displayName: 'eventstoredb',
      roots: ['<rootDir>/test/e2e'],
      // what is refused at the edge never reaches a store, and how vendors write requests is none of its business
      testPathIgnorePatterns: ['/node_modules/', '/test/e2e/bad-', '/test/e2e/vendor'],
      globals: { EVENT_STORE: 'eventstoredb' },
    },
  ],
  testSequencer: '<rootDir>/test/support/longest-first.mjs',
  testTimeout: 60_000,
  maxWorkers: 2,
  workerIdleMemoryLimit: '600MB',
};
