import { expect, test } from '@jest/globals';
import { simulate } from './simulation.js';

/** `SIMULATION_SEED=7 npm test -- simulation` plays another one, or a failing one again. */
const SEED = Number(process.env['SIMULATION_SEED'] ?? 20_260_101);
const COMMANDS = Number(process.env['SIMULATION_COMMANDS'] ?? 100_000);

test(`seed ${SEED}: ${COMMANDS} commands, two writers that die, workers that come and go, and nothing that an auditor minds`, async () => {
  const result = await simulate(SEED, COMMANDS);
  process.stdout.write(`simulation, seed ${SEED}: ${JSON.stringify(result)}\n`);
  expect(result.commands).toBeGreaterThanOrEqual(COMMANDS);
  expect(result.events).toBeGreaterThan(COMMANDS / 2);
  for (const seen of [result.crashes, result.conflicts, result.replays, result.refusals])
    expect(seen).toBeGreaterThan(COMMANDS / 10_000);
}, 300_000);
