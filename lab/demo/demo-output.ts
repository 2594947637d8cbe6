/** Output of a demo, and its duration of stay in each network. */
export interface DemoOutput {
  readonly stayMs: number;
  /** Prints a line of text; nothing with --json. */
  readonly print: (text: string) => void;
  /** Prints the result as one JSON object, once; nothing without --json. */
  readonly report: (result: object) => void;
}
