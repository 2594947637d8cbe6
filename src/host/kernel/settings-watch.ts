/**
 * Notices when kernel settings that the daemon set have to be set again. Several daemons of a host
 * need the same ones (forwarding), and each restores its own original when it stops.
 *
 * Linux rtnetlink.h  RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF
 */
import type { RtnetlinkMessage } from '#wire/rtnetlink/message.ts';
import type { SysctlSettings } from './sysctl.ts';

/**
 * A program that stops restores its settings one by one, and the kernel reports only some of them:
 * accept_ra, for one, changes silently.
 */
const SETTLE_MS = 100;

export class SettingsWatch {
  readonly #settings: Pick<SysctlSettings, 'canSetAbsent' | 'areOverwritten'>;
  readonly #onLost: () => void;
  #timer: NodeJS.Timeout | undefined;

  /** `onLost` has every setting set again. */
  constructor(
    settings: Pick<SysctlSettings, 'canSetAbsent' | 'areOverwritten'>,
    onLost: () => void,
  ) {
    this.#settings = settings;
    this.#onLost = onLost;
  }

  /** Of the subscribed groups, only those of settings have messages of no other kind. */
  notify(messages: readonly RtnetlinkMessage[]): void {
    // A device that had no IPv6 until now.
    if (
      messages.some(({ kind }) => kind === 'link' || kind === 'address') &&
      this.#settings.canSetAbsent
    )
      this.#onLost();
    if (this.#timer === undefined && messages.some(({ kind }) => kind === 'other'))
      this.#timer = setTimeout(() => this.#check(), SETTLE_MS).unref();
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #check(): void {
    this.#timer = undefined;
    if (this.#settings.areOverwritten) this.#onLost();
  }
}
