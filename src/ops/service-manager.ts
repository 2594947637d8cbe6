/**
 * Tells systemd how the daemon is (sd_notify). Node has no unix datagram sockets, so systemd's own `systemd-notify` sends for us;
 * the unit needs `NotifyAccess=all`. Does nothing where no service manager asked for it.
 */
import { spawn } from 'node:child_process';

/** Sends `READY=1`, `STOPPING=1` or `STATUS=…`; `failed` hears why not. Resolves when it is sent. */
export function notifyServiceManager(variables: readonly string[], failed: (reason: string) => void): Promise<void> {
  if (process.env['NOTIFY_SOCKET'] === undefined) return Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<void>();
  const child = spawn('systemd-notify', variables, { stdio: 'ignore' });
  child.on('error', (error) => {
    failed(error.message);
    resolve();
  });
  child.on('exit', (code) => {
    if (code !== 0) failed(`systemd-notify ended with ${code}`);
    resolve();
  });
  return promise;
}
