/** Captures the packets of an interface in the lab into a pcap file. */
import { existsSync } from 'node:fs';
import type { Background } from './shell.ts';

const CAPTURE_PROGRAM = new URL('../native/build/sojourn-capture', import.meta.url).pathname;

/** A running packet capture; its file is complete after `stop`. */
export interface Capture extends AsyncDisposable {
  readonly file: string;
  /** Number of packets that the capture missed; known after `stop`. */
  readonly dropped: number | undefined;
  stop(): Promise<void>;
}

/**
 * Starts the capture program through `spawn`, in its namespace; resolves when capturing has begun.
 * `title` names the interface in errors.
 */
export async function startCapture(
  spawn: (argv: readonly string[]) => Background,
  title: string,
  name: string,
  file: string,
  snapLength?: number,
): Promise<Capture> {
  if (!existsSync(CAPTURE_PROGRAM))
    throw new Error(`${CAPTURE_PROGRAM} is missing: make -C native/tools`);
  const limit = snapLength === undefined ? [] : ['--snap-length', String(snapLength)];
  const capturing = spawn([CAPTURE_PROGRAM, '--interface', name, '--file', file, ...limit]);
  await capturing.ready('ready');
  let dropped: number | undefined;
  const stop = async (): Promise<void> => {
    const { code, stdout, stderr } = await capturing.stop('SIGINT');
    if (code !== 0) throw new Error(`capture of ${title}: ${stdout}${stderr}`);
    dropped = Number(/dropped=(\d+)/.exec(stdout)?.[1]);
  };
  return {
    file,
    stop,
    get dropped() {
      return dropped;
    },
    [Symbol.asyncDispose]: stop,
  };
}
