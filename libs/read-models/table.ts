import { getMetadataArgsStorage } from './entity.js';

/** The two schemas of read models: the one that is read, and the one a rebuild fills. */
export const LIVE = 'read_models';
export const SHADOW = 'read_models_shadow';

export interface ColumnOf {
  readonly property: string;
  readonly name: string;
  readonly type: string;
  readonly primary: boolean;
}

/** A table as its entity declares it; rows have the entity's properties. */
export interface Table<Row extends object = object> {
  readonly name: string;
  readonly columns: readonly ColumnOf[];
  readonly key: readonly ColumnOf[];
  /** Makes `Row` part of the type. */
  readonly row?: Row;
}

/** Reads a table's shape off its entity, so that columns are declared once. @throws Error when the class is no entity */
export function tableOf<Row extends object>(entity: new () => Row): Table<Row> {
  const storage = getMetadataArgsStorage();
  const name = storage.tables.find(({ target }) => target === entity)?.name;
  if (name === undefined) throw new Error(`${entity.name} is no entity`);
  const columns = storage.columns
    .filter(({ target }) => target === entity)
    .map(({ propertyName, options }): ColumnOf => ({
      property: propertyName,
      name: options.name ?? propertyName,
      type: String(options.type),
      primary: options.primary === true,
    }));
  return { name, columns, key: columns.filter(({ primary }) => primary) };
}
