/**
 * Preloaded into a daemon that a command runs: ends the daemon in an orderly way when the command
 * has ended, also by SIGKILL. The command holds the other end of the pipe at descriptor 3.
 */
import { Socket } from 'node:net';
import { isMainThread } from 'node:worker_threads';

const PIPE = 3;

// Threads of the daemon load this file, too.
if (isMainThread) {
  const pipe = new Socket({ fd: PIPE, readable: true, writable: false });
  pipe.on('error', () => undefined).on('close', () => process.kill(process.pid, 'SIGTERM'));
  pipe.resume().unref();
}
