import { CATEGORIES, EVENT_TYPES, METADATA_SCHEMA, SCHEMAS, type Schema } from '#libs/event-types';

/** docs/events.md, from the schemas of every event there is. */
export function eventsDocument(): string {
  return [
    '# Events',
    'Generated from the schemas in `libs/event-types` by `npm run docs`.',
    'Everything the product knows follows from the events in its log. An event is a fact: it is written once and never changed or removed; a correction is ' +
      'another event. This page lists every type there is, what it says and how it is stored.',
    '## What every event carries',
    ENVELOPE,
    'Its metadata:',
    membersTable(METADATA_SCHEMA, METADATA_SCHEMA),
    '## What is hashed',
    HASHED,
    '## Kinds of values',
    'All payloads are JSON. A member that does not apply is absent, never null, but for `changes` of the catalogue, where null says "no longer set".',
    kindsTable(),
    '## Versions',
    VERSIONS,
    ...[...CATEGORIES].flatMap(([category, says]) => [
      `## ${category}`,
      `${says} Streams are named \`${category}-<tenant>_<id>\`.`,
      ...[...EVENT_TYPES.get(category)!.keys()].flatMap((type) => typeSections(category, type)),
    ]),
    '',
  ]
    .join('\n\n')
    .replace(/\n+$/, '\n');
}

const ENVELOPE = table(
  ['member', 'meaning'],
  [
    ['`id`', 'A UUID that follows from the content: the first half of its hash.'],
    [
      '`stream`',
      'What the event is about: `<category>-<tenant>_<id>`. What must be consistent together stands in one stream.',
    ],
    ['`revision`', 'Its number in the stream, from 0 without gaps.'],
    ['`position`', 'Its place in the whole log. Positions are compared, never calculated with.'],
    ['`type`', 'What happened; one of the types below.'],
    ['`data`', 'The payload: what happened in detail, as below.'],
    ['`metadata`', 'Who, when and under which key.'],
  ],
);

const HASHED = `Every stream is a chain: each event carries the hash of the one before it, so nothing in between can be changed, dropped, inserted or swapped unseen.
All text is UTF-8, hashes are SHA-256 in lower-case hex, \`+\` joins text:

\`\`\`
previousHash(first event) = SHA-256(stream)
previousHash(event)       = hash of the event before it in the stream
hash(event)               = SHA-256(previousHash + '{"data":' + D + ',"metadata":' + M + ',"type":' + T + '}')
\`\`\`

D is the payload as it was stored, M the metadata without its members \`previousHash\` and \`hash\`, T the type, each in the form of RFC 8785: members sorted,
no white space. The \`id\` is a UUID of version 8 made of the first 16 bytes of the hash. \`stream\`, \`revision\` and \`position\` are not hashed themselves; the chain
begins with the stream's name and fixes the order. An upcaster changes what is read, never what is stored: hashes, exports and the audit routes are about the stored bytes.`;

const VERSIONS =
  'A stored shape never changes. When a type needs another one, it gets a new version; `schemaVersion` in the metadata says which one an event has, and older ones are ' +
  'turned into the newest, step by step, whenever they are read. The schema of every version that was ever written is kept. An event of an unknown type or version stops ' +
  'whoever meets it: the read models stand still in front of it and `/health/ready` says where, and commands on its stream are answered with ' +
  '[`history_unreadable`](errors.md#history_unreadable), until a version of the product runs that knows it.';

function typeSections(category: string, type: string): readonly string[] {
  const { version, upcasters } = EVENT_TYPES.get(category)!.get(type)!;
  const path = (of: number): string => `${category}/${type}.v${of}`;
  const link = (of: number): string => `[version ${of}](../libs/event-types/schemas/${path(of)}.json)`;
  const schema = SCHEMAS.get(path(version))!;
  const older = upcasters.map(
    ({ says }, index) => `- ${link(index + 1)}, read as version ${index + 2}: ${says}`,
  );
  return [
    `### ${type}`,
    `${schema.description ?? ''} Schema: ${link(version)}.`.trim(),
    membersTable(schema, schema),
    ...(older.length === 0 ? [] : [`Older versions:\n\n${older.join('\n')}`]),
  ];
}

/** One line per member, those of objects inside with the path to them. */
function membersTable(schema: Schema, root: Schema): string {
  return table(['member', 'value', 'meaning'], membersOf(schema, root, ''));
}

function membersOf(schema: Schema, root: Schema, path: string): readonly (readonly string[])[] {
  return Object.entries(schema.properties ?? {}).flatMap(([member, of]) => {
    const name = `${path}${member}`;
    const optional = schema.required?.includes(member) ? '' : ', optional';
    const own = [`\`${name}\``, `${valueOf(of!, root)}${optional}`, meaningOf(of!, root)];
    const inner = elementOf(of!, root);
    const below =
      isChanges(of!) || inner === null
        ? []
        : membersOf(inner, root, `${name}${isList(of!, root) ? '[]' : ''}.`);
    return [own, ...below];
  });
}

const nameOf = ({ $ref }: Schema): string | undefined => $ref?.slice('#/definitions/'.length);
const resolve = (schema: Schema, root: Schema): Schema => {
  const name = nameOf(schema);
  return name === undefined ? schema : resolve(root.definitions![name]!, root);
};

/** What an update sets has the very members of what it updates. */
const isChanges = (schema: Schema): boolean => nameOf(schema)?.endsWith('Changes') ?? false;
const isList = (schema: Schema, root: Schema): boolean => resolve(schema, root).items !== undefined;

/** The object, or the list's objects, whose members are listed too; null for anything else. */
function elementOf(schema: Schema, root: Schema): Schema | null {
  const resolved = resolve(schema, root);
  const element = resolved.items ? resolve(resolved.items, root) : resolved;
  const kinds = element.anyOf?.map((one) => resolve(one, root)) ?? [element];
  return kinds.every(({ properties }) => properties) ? kinds.reduce(either) : null;
}

/** One object for two kinds: the members of both, those of one alone optional. */
function either(a: Schema, b: Schema): Schema {
  const properties = { ...b.properties, ...a.properties };
  for (const member of Object.keys(a.properties ?? {})) {
    const [one, other] = [a, b].map((kind) => valuesOf(kind.properties?.[member]));
    if (one!.length > 0 && other!.length > 0)
      properties[member] = { enum: [...new Set([...one!, ...other!])] };
  }
  return { properties, required: (a.required ?? []).filter((member) => b.required?.includes(member)) };
}

const valuesOf = ({ enum: values, const: only }: Schema = {}): readonly unknown[] =>
  values ?? (only === undefined ? [] : [only]);

/** Words for the texts that have a form of their own. */
const KINDS: Readonly<Record<string, string>> = {
  StoredAmount: 'amount',
  StoredSignedAmount: 'signed amount',
  StoredInstant: 'time',
  StoredId: 'id',
};

function valueOf(schema: Schema, root: Schema): string {
  const kind = KINDS[nameOf(schema) ?? ''];
  if (kind !== undefined) return kind;
  if (isChanges(schema)) return 'any of the attributes, or null';
  const { type, enum: values, const: only, items, properties, additionalProperties } = resolve(schema, root);
  if (only !== undefined) return code(only);
  if (values !== undefined) return values.map(code).join(' or ');
  if (items !== undefined)
    return `list of ${properties || elementOf(schema, root) ? 'objects' : `${valueOf(items, root)}s`}`;
  if (type === 'object' && properties === undefined) {
    const text = typeof additionalProperties === 'object' && additionalProperties.type === 'string';
    return text ? 'texts by name' : 'JSON by name';
  }
  const words: Readonly<Record<string, string>> = { string: 'text', boolean: 'true or false' };
  const types = typeof type === 'string' ? [type] : (type ?? ['JSON']);
  return types.map((one) => words[one] ?? one).join(' or ');
}

/** What the member says of itself, or else what its type says. */
function meaningOf(schema: Schema, root: Schema): string {
  if (schema.description !== undefined || KINDS[nameOf(schema) ?? ''] !== undefined)
    return schema.description ?? '';
  return isChanges(schema) ? '' : (resolve(schema, root).description ?? '');
}

function kindsTable(): string {
  const definitions = new Map(
    [METADATA_SCHEMA, ...SCHEMAS.values()].flatMap((schema) => Object.entries(schema.definitions ?? {})),
  );
  return table(
    ['kind', 'form', 'pattern'],
    Object.entries(KINDS).map(([name, kind]) => {
      const { description = '', pattern = '' } = definitions.get(name)!;
      return [kind, description, `\`${pattern}\``];
    }),
  );
}

const code = (value: unknown): string => `\`${JSON.stringify(value)}\``;

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [head, ...rows].map((row) =>
    row.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')),
  );
  // columns as wide as their widest cell: what the formatter makes of it too
  const widths = head.map((_, column) => Math.max(3, ...cells.map((row) => row[column]!.length)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`;
  return [line(cells[0]!), line(widths.map((width) => '-'.repeat(width))), ...cells.slice(1).map(line)].join(
    '\n',
  );
}
