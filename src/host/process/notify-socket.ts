import { nativeAddon } from '#host/plane/addon.ts';

/**
 * Sends one datagram to a service manager's socket (sd_notify). A leading `@` means the abstract
 * namespace. Throws `SystemError`.
 */
export function sendToNotifySocket(socket: string, text: string): void {
  nativeAddon().notify(socket, text);
}
