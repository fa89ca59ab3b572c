import { createMemoryEventStore } from '#libs/event-store/memory';
import { eventStoreContract } from './event-store.contract.js';

eventStoreContract('memory', () =>
  Promise.resolve({ store: createMemoryEventStore(), checkpointBeyondTheEnd: '999999' }),
);
