import tseslint from 'typescript-eslint';

const TESTS = ['**/*.spec.ts', 'test/**/*.ts'];

// time, chance and environment come in as data; these are where they come from
const CLOCK = [
  { object: 'Date', property: 'now', message: 'Take `now` from the command or the Clock.' },
  { object: 'Math', property: 'random', message: 'Chance comes in with the command.' },
];
const ENVIRONMENT = [
  {
    object: 'process',
    property: 'env',
    message: 'The environment is parsed once, in libs/platform/config.ts.',
  },
];
const IDS = ['randomUUID', 'randomBytes', 'randomInt', 'getRandomValues'].map((property) => ({
  object: 'crypto',
  property,
  message: 'Ids come in with the command.',
}));
const NEW_DATE = {
  selector: ':matches(NewExpression[arguments.length=0], CallExpression)[callee.name="Date"]',
  message: 'Take `now` from the command or the Clock.',
};
const imports = (...paths) => ['error', { paths }];
const IMPORTED_IDS = ['node:crypto', 'crypto'].map((name) => ({
  name,
  importNames: ['randomUUID', 'randomBytes', 'randomInt', 'getRandomValues', 'webcrypto'],
  message: 'Ids come in with the command.',
}));
const IMPORTED_ENVIRONMENT = ['node:process', 'process'].map((name) => ({
  name,
  importNames: ['env', 'default'],
  message: 'The environment is parsed once, in libs/platform/config.ts.',
}));

export default tseslint.config(
  { ignores: ['dist/', 'data/', 'coverage/', 'node_modules/'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: {
      parserOptions: {
        projectService: true,
        tsconfigRootDir: import.meta.dirname,
        // injected classes are needed at run time although they only stand in type positions
        emitDecoratorMetadata: true,
        experimentalDecorators: true,
      },
    },
    rules: {
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'no-var': 'error',
      'prefer-const': 'error',
      'no-console': 'error',
      'no-restricted-globals': ['error', 'escape', 'unescape'],
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrorsIgnorePattern: '^_' },
      ],
      // `async` without `await` still turns a throw into a rejection, which is what a caller of a port expects
      '@typescript-eslint/require-await': 'off',
      // objects made by functions close over their state; nothing here depends on `this`
      '@typescript-eslint/unbound-method': 'off',
      // amounts are bigint, and numbers and bigints read well in a template
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
    },
  },
  {
    files: ['libs/**/*.ts'],
    ignores: ['libs/platform/**', ...TESTS],
    rules: {
      'no-restricted-properties': ['error', ...CLOCK, ...ENVIRONMENT, ...IDS],
      'no-restricted-syntax': ['error', NEW_DATE],
      'no-restricted-imports': imports(...IMPORTED_IDS, ...IMPORTED_ENVIRONMENT),
    },
  },
  {
    // a store names itself
    files: ['libs/event-store/*/*.ts'],
    ignores: TESTS,
    rules: {
      'no-restricted-properties': ['error', ...CLOCK, ...ENVIRONMENT],
      'no-restricted-imports': imports(...IMPORTED_ENVIRONMENT),
    },
  },
  {
    // ids are made where requests come in; the time even there comes from the Clock
    files: ['apps/**/*.ts'],
    ignores: TESTS,
    rules: {
      'no-restricted-properties': ['error', ...CLOCK, ...ENVIRONMENT],
      'no-restricted-syntax': ['error', NEW_DATE],
      'no-restricted-imports': imports(...IMPORTED_ENVIRONMENT),
    },
  },
  {
    files: ['apps/*/main.ts'],
    rules: { 'no-restricted-properties': ['error', ...CLOCK], 'no-restricted-imports': 'off' },
  },
  { files: ['apps/cli/**/*.ts', 'test/benchmark/**'], rules: { 'no-console': 'off' } },
  {
    // answers of the API and rows are read loosely in tests
    files: TESTS,
    rules: {
      '@typescript-eslint/no-explicit-any': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
    },
  },
);
