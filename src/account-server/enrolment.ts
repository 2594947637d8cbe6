/**
 * Enrols devices: finds or creates the device of a login, names it, and issues its virtual address,
 * credential and renewal token.
 *
 * A login may request a device name, which becomes a label below the account's name
 * (`laptop.alice.nodes.example`). The first device without such a request has the account's own
 * name (`alice.nodes.example`); later ones are named after their node id (`d1f00ba4….alice…`). A
 * device keeps its name until it requests another one or is removed. The public key identifies the
 * device.
 */
import { createHash, randomBytes } from 'node:crypto';
import { hex } from '#base/bytes.ts';
import { type Ipv4Address, type Prefix, prefixContains } from '#base/ip.ts';
import { makeCredential, nodeIdOf, virtualIpv6Of } from '#crypto/node-credential.ts';
import { isDomainName } from '#wire/ntmobile/options.ts';
import type { Account } from './accounts.ts';
import type { Authorities } from './authorities.ts';
import type { AccountServerConfiguration } from './configuration.ts';
import type { Device, Devices, DeviceUpdate } from './devices.ts';
import { type Refusal, refusal } from './reasons.ts';

/** Tolerates clocks of nodes and verifiers that are slow. */
const NOT_BEFORE_MARGIN_SECONDS = 300;

export interface IssuedCredential {
  readonly credential: Uint8Array;
  /** Seconds since 1970-01-01. */
  readonly notAfter: number;
  readonly renewalToken: string;
  readonly device: Pick<Device, 'nodeId' | 'virtualIpv4'> & { readonly fqdn: string };
}

export function fqdnOf({ fqdn }: Pick<Account, 'fqdn'>, { label }: Pick<Device, 'label'>): string {
  return label === '' ? fqdn : `${label}.${fqdn}`;
}

/** The store contains only this hash of a token. */
export function tokenHash(token: string): Uint8Array {
  return new Uint8Array(createHash('sha256').update(token).digest());
}

export function newToken(): string {
  return randomBytes(32).toString('base64url');
}

interface EnrolmentRequest {
  readonly publicKey: Uint8Array;
  readonly timestamp: number;
  readonly device?: string | undefined;
}

export class Enrolment {
  #configuration: AccountServerConfiguration;
  readonly #devices: Devices;
  readonly #authorities: Authorities;

  constructor(
    configuration: AccountServerConfiguration,
    devices: Devices,
    authorities: Authorities,
  ) {
    this.#configuration = configuration;
    this.#devices = devices;
    this.#authorities = authorities;
  }

  /** Applies to the next request. */
  reconfigure(configuration: AccountServerConfiguration): void {
    this.#configuration = configuration;
  }

  /**
   * Finds or creates the device of a login. Call it in a transaction; a refusal leaves the store
   * unchanged.
   */
  deviceFor(account: Account, request: EnrolmentRequest, now: number): Device | Refusal {
    const { publicKey, timestamp } = request;
    const known = this.#devices.findByPublicKey(publicKey);
    if (known !== undefined && known.account !== account.id)
      return refusal('key-of-another-account');
    if (known !== undefined && timestamp <= known.lastProofMs) return refusal('replayed-proof');
    const label = this.#labelFor(account, request, known);
    if (typeof label === 'object') return label;
    if (known !== undefined) return { ...known, label };
    if (this.#devices.ofAccount(account.id).length >= this.#configuration.devicesPerAccount) {
      return refusal('too-many-devices');
    }
    if (this.#devices.isInterfaceIdTaken(publicKey)) return refusal('key-not-usable');
    const virtualIpv4 = this.#devices.freeAddress(this.#prefix, now);
    if (virtualIpv4 === undefined) return refusal('no-addresses');
    this.#devices.add({ account: account.id, label, publicKey, virtualIpv4, enrolledAt: now });
    return this.#devices.findByPublicKey(publicKey) ?? refusal('store-failed');
  }

  /**
   * Issues a credential and a new renewal token. `former` is the token that stays valid for the
   * grace period, until the new one is used, because the answer may be lost.
   */
  issue(
    account: Account,
    device: Device,
    request: EnrolmentRequest,
    former: Pick<Device, 'formerHash' | 'formerUntil'> | undefined,
    now: number,
  ): IssuedCredential | Refusal {
    const { credentialSeconds, renewalSeconds, systemPrefix } = this.#configuration;
    const virtualIpv4 = this.#addressOf(device, now);
    if (typeof virtualIpv4 === 'object') return virtualIpv4;
    const notAfter = now + credentialSeconds;
    const authority = this.#authorities.current(now);
    const name = fqdnOf(account, device);
    const credential = makeCredential(authority, {
      ...{
        publicKey: device.publicKey,
        virtualIpv6: virtualIpv6Of(systemPrefix, device.nodeId),
        virtualIpv4,
      },
      ...{
        notBefore: BigInt(now - NOT_BEFORE_MARGIN_SECONDS),
        notAfter: BigInt(notAfter),
        name,
        groups: account.groups,
      },
    });
    const renewalToken = newToken();
    const update: DeviceUpdate = {
      ...{
        id: device.id,
        label: device.label,
        virtualIpv4,
        lastSeenAt: now,
        lastProofMs: request.timestamp,
      },
      ...{
        credentialUntil: notAfter,
        renewalHash: tokenHash(renewalToken),
        renewalUntil: now + renewalSeconds,
      },
      formerHash: former?.formerHash,
      formerUntil: former?.formerUntil ?? 0,
    };
    this.#devices.update(update);
    this.#authorities.recordSignature(authority, notAfter);
    return {
      credential,
      notAfter,
      renewalToken,
      device: { nodeId: device.nodeId, virtualIpv4, fqdn: name },
    };
  }

  get #prefix(): Prefix {
    return this.#configuration.nodeIpv4Prefix;
  }

  /** The device's address, or a new one if the operator changed the prefix. */
  #addressOf({ virtualIpv4, credentialUntil }: Device, now: number): Ipv4Address | Refusal {
    if (prefixContains(this.#prefix, virtualIpv4)) return virtualIpv4;
    const fresh = this.#devices.freeAddress(this.#prefix, now);
    if (fresh === undefined) return refusal('no-addresses');
    this.#devices.hold(virtualIpv4, credentialUntil);
    return fresh;
  }

  #labelFor(
    account: Account,
    { publicKey, device: requested }: EnrolmentRequest,
    known: Device | undefined,
  ): string | Refusal {
    if (requested === undefined && known !== undefined) return known.label;
    const taken = new Set(
      this.#devices
        .ofAccount(account.id)
        .filter(({ id }) => id !== known?.id)
        .map(({ label }) => label),
    );
    if (requested !== undefined) return this.#checked(account, requested, taken);
    return taken.has('')
      ? this.#checked(account, `d${hex(nodeIdOf(publicKey)).slice(0, 12)}`, taken)
      : '';
  }

  #checked(account: Account, label: string, taken: ReadonlySet<string>): string | Refusal {
    if (taken.has(label)) return refusal('device-name-taken');
    return isDomainName(fqdnOf(account, { label })) ? label : refusal('malformed-request');
  }
}
