/** The switches of the protocol server: what goes wrong at present. */
export interface Faults {
  /** Whether the server does its work; else it says "Server Is Not Ready". */
  ready(): boolean;
  /** Whether what was just written is answered; counts down the answers that are to be lost. */
  answers(): boolean;
}

export interface FaultSwitches extends Faults {
  refuse(): void;
  accept(): void;
  /** Loses the answers to the next `count` appends, after they are written. */
  loseAnswers(count: number): void;
}

export function createFaults(): FaultSwitches {
  let ready = true;
  let toLose = 0;
  return {
    ready: () => ready,
    answers: () => toLose === 0 || toLose-- === 0,
    refuse: () => void (ready = false),
    accept: () => void (ready = true),
    loseAnswers: (count) => void (toLose = count),
  };
}
