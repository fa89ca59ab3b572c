import { Column, Entity } from '../entity.js';
import { LIVE } from '../table.js';

/** How far each projection has come. */
@Entity({ name: 'checkpoints', schema: LIVE })
export class CheckpointRow {
  @Column({ type: 'text', primary: true })
  projection!: string;

  /** Where to read on, as the event store gave it; null: from the start. */
  @Column({ type: 'text', nullable: true })
  checkpoint!: string | null;

  /** Position of the last event that is in the rows, 0 when there is none. */
  @Column({ type: 'bigint' })
  position!: bigint;

  /** Identity of the log the rows were made from. */
  @Column({ type: 'text' })
  log!: string;

  /** Why the projection stands still; null while it runs. */
  @Column({ name: 'stopped_reason', type: 'text', nullable: true })
  stoppedReason!: string | null;
}
