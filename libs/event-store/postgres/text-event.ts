import type { NewEvent, RecordedEvent } from '../event-store.js';

/** A recorded event as the texts that are stored: parsed when somebody first asks for what they say, which not everybody does. */
export class TextEvent implements RecordedEvent {
  readonly id: string;
  readonly type: string;
  readonly dataText: string;
  readonly metadataText: string;
  #data: RecordedEvent['data'] | undefined;
  #metadata: RecordedEvent['metadata'] | undefined;

  constructor(
    readonly stream: string,
    readonly revision: number,
    readonly position: bigint,
    { id, type, data, metadata }: NewEvent,
  ) {
    this.id = id;
    this.type = type;
    this.dataText = data;
    this.metadataText = metadata;
  }

  get data(): RecordedEvent['data'] {
    return (this.#data ??= JSON.parse(this.dataText) as RecordedEvent['data']);
  }

  get metadata(): RecordedEvent['metadata'] {
    return (this.#metadata ??= JSON.parse(this.metadataText) as RecordedEvent['metadata']);
  }
}
