/** What a demo tells its audience, and how long it stays at each place. */
export interface DemoOutput {
  readonly stayMs: number;
  /** A line for people; nothing with --json. */
  readonly print: (text: string) => void;
  /** The result for programs: one JSON object, once; nothing without --json. */
  readonly report: (result: object) => void;
}
