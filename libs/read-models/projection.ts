import type { RecordedEvent } from '#libs/event-store';
import { metadataMember, streamParts, type StreamName } from '#libs/event-types';
import type { Table } from './table.js';

/** One read model's code: folds events into rows. The same code feeds the live tables and a rebuild. */
export interface Projection {
  /** Also the key of its checkpoint. */
  readonly name: string;
  readonly tables: readonly Table[];
  /** True where rows are only ever added and never looked up: a rebuild makes their keys when all of them are there. */
  readonly addsOnly?: true;
  /** Categories of the streams it folds; events of others are passed over. */
  readonly categories: ReadonlySet<string>;
  /**
   * Folds events of its categories, in order, and writes the rows they set. Each event comes once.
   * @throws Error for an event it cannot fold, an unknown type above all: the projection stops there
   */
  project(events: readonly ProjectedEvent[], sink: Sink): Promise<void>;
}

/** An event with its stream's name taken apart. */
export interface ProjectedEvent extends Omit<RecordedEvent, 'metadata' | 'metadataText'> {
  readonly category: string;
  readonly tenant: string;
  /** Id of the object whose stream it is, such as the customer's. */
  readonly entityId: string;
  readonly recordedAt: string;
}

/** Where a projection writes: one schema, one transaction. */
export interface Sink {
  /** Adds rows whose keys are new. @throws Error when one exists */
  insert<Row extends object>(table: Table<Row>, rows: readonly Row[]): Promise<void>;
  /**
   * Inserts rows or, where the key exists, sets the columns.
   * @param rows at most one per key
   * @param update properties to set where the row exists; default: all
   */
  upsert<Row extends object>(
    table: Table<Row>,
    rows: readonly Row[],
    update?: readonly (keyof Row & string)[],
  ): Promise<void>;
  /**
   * Sets columns of rows that exist; a member that is undefined stays as it is, null is a value like others.
   * @param patches at most one per key
   * @throws Error when a row does not exist
   */
  patch<Row extends object>(table: Table<Row>, patches: readonly Partial<Row>[]): Promise<void>;
  /** Deletes rows by their keys; one that is not there is as good as deleted. */
  remove<Row extends object>(table: Table<Row>, keys: readonly Partial<Row>[]): Promise<void>;
  /** Reads the projection's own rows; `{schema}` in the text stands for the schema. */
  query<Result extends object>(text: string, values: readonly unknown[]): Promise<readonly Result[]>;
}

/** @throws Error when the stream is none of ours */
export const projectedEvent = (
  recorded: RecordedEvent,
  { category, tenant, entityId }: StreamName = streamParts(recorded.stream),
): ProjectedEvent => ({
  id: recorded.id,
  stream: recorded.stream,
  revision: recorded.revision,
  position: recorded.position,
  type: recorded.type,
  data: recorded.data,
  dataText: recorded.dataText,
  category,
  tenant,
  entityId,
  recordedAt: metadataMember(recorded, 'recordedAt') as string,
});

/** An event type that a projection must know and does not. */
export const unknownEvent = ({ type, stream, position }: ProjectedEvent): Error =>
  new Error(`unknown event ${type} in stream ${stream} at position ${position}`);
