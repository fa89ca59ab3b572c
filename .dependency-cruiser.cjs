const SPEC = '\\.spec\\.ts$';

/** Packages that only compute: no clock, no chance, no input or output. */
const COMPUTING = '^node_modules/currency-codes/';

/** What a pure library may import: itself and the kernel. */
const pure = (name, ...others) => ({
  name: `${name}-is-pure`,
  comment: `libs/${name} imports itself and ${others.join(', ') || 'nothing else'}`,
  severity: 'error',
  from: { path: `^libs/${name}/`, pathNot: SPEC },
  to: { pathNot: [`^libs/${name}/`, ...others] },
});

const PURE = '^libs/(kernel|calendar|credits|catalog|subscriptions|billing)/';
const PORT = '^libs/event-store/[^/]+\\.ts$';

/** What a part of ours may import of the others; packages are no matter of this. */
const part = (path, ...others) => ({
  name: `${path.replace(/\W+/g, '-')}-knows-its-parts-only`,
  comment: `${path} imports itself and ${others.join(', ') || 'nothing else'}`,
  severity: 'error',
  from: { path: `^${path}`, pathNot: SPEC },
  to: { path: '^(apps|libs)/', pathNot: [`^${path}`, ...others] },
});

/** An adapter knows the port, the kernel, itself and its driver. */
const adapter = (name, drivers) => ({
  name: `event-store-${name}-knows-its-driver-only`,
  severity: 'error',
  from: { path: `^libs/event-store/${name}/`, pathNot: SPEC },
  to: {
    pathNot: [
      `^libs/event-store/${name}/`,
      '^libs/event-store/[^/]+\\.ts$',
      '^libs/kernel/',
      `^node_modules/(${['@types/node', ...drivers].join('|')})/`,
    ],
    dependencyTypesNot: ['core'],
  },
});

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    pure('kernel'),
    pure('calendar', '^libs/kernel/', COMPUTING),
    pure('credits', '^libs/(kernel|calendar)/'),
    pure('catalog', '^libs/(kernel|calendar)/', COMPUTING),
    pure('subscriptions', '^libs/(kernel|calendar|catalog)/'),
    pure('billing', '^libs/(kernel|calendar|catalog|credits|subscriptions)/'),
    pure(
      'event-types',
      '^libs/(kernel|credits|catalog|subscriptions|billing)/',
      '^libs/event-store/(index|event-store)\\.ts$',
      '^node_modules/ajv/',
    ),
    part('apps/api/', '^apps/(runtime|keys|failure)\\.ts$', '^libs/'),
    part('apps/worker/', '^apps/api/start\\.ts$'),
    part('apps/projector/', '^apps/event-store\\.ts$', '^libs/'),
    part('apps/cli/', '^apps/(event-store|keys|failure)\\.ts$', '^libs/'),
    part('apps/keys.ts', '^apps/runtime\\.ts$', '^libs/'),
    part('apps/failure.ts', '^libs/'),
    part('apps/runtime.ts', '^apps/(event-store\\.ts$|projector/)', '^libs/'),
    part('apps/event-store.ts', '^libs/(event-store|platform)/'),
    part('libs/commands/', PURE, '^libs/event-(types|store)/'),
    part('libs/read-models/', PURE, '^libs/event-types/', PORT),
    part('libs/schedules/', '^libs/(kernel|read-models)/', PORT),
    part('libs/platform/'),
    {
      name: 'the-port-knows-no-adapter',
      severity: 'error',
      from: { path: '^libs/event-store/[^/]+\\.ts$', pathNot: SPEC },
      to: {
        pathNot: ['^libs/event-store/[^/]+\\.ts$', '^libs/kernel/'],
        dependencyTypesNot: ['core'],
      },
    },
    adapter('memory', []),
    adapter('postgres', ['pg', '@types/pg']),
    adapter('eventstoredb', ['@eventstore/db-client']),
    {
      name: 'one-place-for-the-eventstoredb-client',
      severity: 'error',
      from: { path: '^(apps|libs)/', pathNot: '^libs/event-store/eventstoredb/' },
      to: { path: '@eventstore/db-client' },
    },
    {
      name: 'libs-do-not-import-apps',
      severity: 'error',
      from: { path: '^libs/' },
      to: { path: '^apps/' },
    },
    {
      name: 'nothing-imports-tests',
      comment: 'test support is for tests only',
      severity: 'error',
      from: { path: '^(apps|libs)/', pathNot: SPEC },
      to: { path: ['^test/', SPEC] },
    },
    {
      name: 'nest-at-the-edges-only',
      comment: 'Nest stays in apps, modules, handlers, queries and entities',
      severity: 'error',
      from: {
        path: '^libs/',
        pathNot: [SPEC, '\\.(module|handlers|query|entity)\\.ts$', '^libs/platform/logging\\.ts$'],
      },
      to: { path: '^(node_modules/)?@nestjs/' },
    },
    {
      name: 'no-circular',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-orphans',
      comment: 'a file that nothing imports and that imports nothing is forgotten',
      severity: 'error',
      from: { orphan: true, pathNot: [SPEC, '\\.mjs$', '^apps/[^/]+/main\\.ts$', '\\.d\\.ts$'] },
      to: {},
    },
    {
      name: 'no-dev-dependencies-in-production',
      severity: 'error',
      from: { path: '^(apps|libs)/', pathNot: SPEC },
      to: {
        dependencyTypes: ['npm-dev'],
        // types vanish when compiled
        dependencyTypesNot: ['type-only'],
        pathNot: '^node_modules/@types/',
      },
    },
    {
      name: 'everything-imported-exists-and-is-declared',
      severity: 'error',
      from: { path: '^(apps|libs|test)/' },
      to: {
        couldNotResolve: true,
      },
    },
    {
      name: 'no-undeclared-packages',
      severity: 'error',
      from: { path: '^(apps|libs|test)/' },
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^dist/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      conditionNames: ['source', 'import', 'node', 'default', 'types'],
      exportsFields: ['exports'],
      mainFields: ['module', 'main', 'types'],
      extensions: ['.ts', '.js', '.mjs', '.json'],
    },
  },
};
