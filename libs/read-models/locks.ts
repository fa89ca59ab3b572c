/** Advisory locks of the read models: any numbers that nothing else in the database locks. */
export const MIGRATE_LOCK = 7_013_254_220;
/** Held by the one process that projects. */
export const PROJECTOR_LOCK = 7_013_254_221;
/** Held by the one rebuild that runs. */
export const REBUILD_LOCK = 7_013_254_222;
