/** Output of a demo, its duration of stay in each network, and the rate of its downloads. */
export interface DemoOutput {
  readonly stayMs: number;
  /** Octets per second of each download; undefined: the default of the demo. */
  readonly rate: number | undefined;
  /** Prints a line of text; nothing with --json. */
  readonly print: (text: string) => void;
  /** Prints the result as one JSON object, once; nothing without --json. */
  readonly report: (result: object) => void;
}

/**
 * Seconds of a move that the files of the downloads allow for. A rate is for a slow machine, which
 * also moves slowly.
 */
export function secondsAMove(output: DemoOutput): number {
  return output.rate === undefined ? 4 : 8;
}
