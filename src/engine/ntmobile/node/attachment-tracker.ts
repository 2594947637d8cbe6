/**
 * The present attachment of a node. It is selected again when interfaces, the operator's choice or
 * a lifetime change it.
 *
 * No RFC: docs/reference/ntmobile.md §6 (candidates of kind host)
 */
import type { Prefix } from '#base/ip.ts';
import { type Monotonic, NEVER } from '#base/time.ts';
import type { InterfacePreference } from '#engine/common/interface-preference.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import {
  type AddressRestriction,
  type AddressRules,
  type Attachment,
  addressRestrictionOf,
  attachmentOf,
  NOT_ATTACHED,
  nextExpiry,
  sameAttachment,
  withPreferredDevice,
} from './attachment.ts';

export class AttachmentTracker {
  readonly #rules: AddressRules;
  readonly #systemPrefix: () => Prefix | undefined;
  #restriction: AddressRestriction;
  #interfaces: readonly NetworkInterface[] = [];
  /** The interface that the operator chose at run time. */
  #preferredDevice: string | undefined;
  #current: Attachment = NOT_ATTACHED;
  #updateAt: Monotonic = NEVER;

  /** `systemPrefix` is known after the login. */
  constructor(rules: AddressRules, systemPrefix: () => Prefix | undefined) {
    this.#rules = rules;
    this.#systemPrefix = systemPrefix;
    this.#restriction = addressRestrictionOf(rules, systemPrefix);
  }

  get current(): Attachment {
    return this.#current;
  }

  get attached(): boolean {
    return this.#current.ipv6 !== undefined || this.#current.ipv4 !== undefined;
  }

  get interfaces(): readonly NetworkInterface[] {
    return this.#interfaces;
  }

  /** When {@link update} is due. */
  deadline(): Monotonic {
    return this.#updateAt;
  }

  reconfigure(now: Monotonic, interfaces: readonly InterfacePreference[]): void {
    this.#restriction = addressRestrictionOf({ ...this.#rules, interfaces }, this.#systemPrefix);
    this.#updateAt = now;
  }

  setInterfaces(interfaces: readonly NetworkInterface[]): void {
    this.#interfaces = interfaces;
  }

  prefer(device: string | undefined): void {
    this.#preferredDevice = device;
  }

  /** Selects the attachment again. Returns whether it changed. */
  update(now: Monotonic): boolean {
    const restriction = withPreferredDevice(this.#preferredDevice, this.#restriction);
    const former = this.#current;
    const selected = attachmentOf(now, this.#interfaces, restriction);
    this.#updateAt = nextExpiry(now, this.#interfaces);
    // The networks around the same addresses may be others.
    this.#current = selected;
    return !sameAttachment(selected, former);
  }
}
