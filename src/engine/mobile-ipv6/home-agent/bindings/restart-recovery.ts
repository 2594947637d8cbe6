/**
 * Recovery after a restart: the stored bindings are in force again before any mobile node
 * registers.
 *
 * RFC 6275 §10.3.1  bindings in nonvolatile storage
 * A record that the configuration no longer allows, or whose lifetime has ended meanwhile, is
 * dropped; the configuration determines again what the binding grants beside the home address.
 */
import { hex } from '#base/bytes.ts';
import { type Ipv6Address, isIpv4, parseIpAddress, parseIpv6 } from '#base/ip.ts';
import type { JsonValue } from '#base/json.ts';
import type { Step } from '#engine/contract/engine.ts';
import { type BindingKey, parseBindingKey } from '#engine/mobile-ipv6/common/binding-cache.ts';
import { dataAlgorithm } from '#engine/mobile-ipv6/common/esp/data-association.ts';
import type {
  AuthorizedMobileNode,
  HomeAgentConfiguration,
} from '#engine/mobile-ipv6/home-agent/configuration.ts';
import type { AddressPool } from '#engine/mobile-ipv6/home-agent/grants/address-pool.ts';
import { grantsPrefix } from '#engine/mobile-ipv6/home-agent/grants/mobile-network.ts';
import type { Policy } from '#engine/mobile-ipv6/home-agent/registration-view.ts';
import type { WallClock } from '#engine/mobile-ipv6/home-agent/wall-clock.ts';
import type { AcceptedTimestamps } from './accepted-timestamps.ts';
import type { Binding, ReplayNumbers } from './binding.ts';
import {
  forgetIpv4Assignment,
  parseFormerBinding,
  parseStoredBinding,
  parseStoredTimestamp,
  type StoredBinding,
  StoreTable,
} from './binding-store.ts';
import type { Bindings } from './bindings.ts';

interface RecoveryContext {
  readonly policy: Policy;
  readonly clock: WallClock;
  readonly bindings: Bindings;
  readonly timestamps: AcceptedTimestamps;
  readonly pool: AddressPool;
}

interface StoredRecord {
  readonly table: string;
  readonly key: string;
  readonly value: JsonValue;
}

export class RestartRecovery {
  readonly #context: RecoveryContext;
  /** Records of home addresses without owner: that of an enrolled node may follow them. */
  #later: StoredRecord[] = [];

  constructor(context: RecoveryContext) {
    this.#context = context;
  }

  /** Takes one record over; a useless one is deleted from the store, by `finish` at the latest. */
  restoreRecord(step: Step, table: string, key: string, value: JsonValue): void {
    const homeAddress = parseIpv6(key.split(/[/ #]/)[0] ?? '');
    if (homeAddress !== undefined && !this.#isOwned(homeAddress))
      this.#later.push({ table, key, value });
    else this.#restoreRecord(step, table, key, value);
  }

  #isOwned(homeAddress: Ipv6Address): boolean {
    return this.#context.policy.directory.ownerOf(homeAddress) !== undefined;
  }

  #restoreRecord(step: Step, table: string, key: string, value: JsonValue): void {
    if (table === StoreTable.binding) {
      const bindingKey = parseBindingKey(key);
      if (bindingKey !== undefined) this.#restoreBinding(step, bindingKey, value);
      return;
    }
    if (table === StoreTable.timestamp) {
      const stored = parseStoredTimestamp(key, value);
      if (stored !== undefined) this.#restoreTimestamp(step, stored.homeAddress, stored);
      return;
    }
    const homeAddress = parseIpv6(key);
    if (homeAddress === undefined) return;
    if (table === StoreTable.ipv4Assignment) this.#restoreAssignment(step, homeAddress, value);
    if (table === StoreTable.formerBinding) {
      const former = parseFormerBinding(value);
      if (former === undefined) return;
      this.#context.bindings.restoreFormer(homeAddress, former);
      this.#restoreTimestamp(step, homeAddress, former);
    }
  }

  /** A record without SPI counts for each key of the mobile node. */
  #restoreTimestamp(
    { now }: Step,
    homeAddress: Ipv6Address,
    { timestamp, spi }: Pick<ReplayNumbers, 'timestamp' | 'spi'>,
  ): void {
    const { policy, timestamps, clock } = this.#context;
    const mobileNode = policy.directory.ownerOf(homeAddress);
    if (mobileNode === undefined) return;
    const moment = { now, wallNow: clock.at(now) };
    const spis = spi === undefined ? mobileNode.registrationKeys.map((key) => key.spi) : [spi];
    for (const one of spis) timestamps.accept(mobileNode, one, timestamp, moment);
  }

  #restoreBinding(step: Step, key: BindingKey, value: JsonValue): void {
    const { policy, clock, bindings } = this.#context;
    const stored = parseStoredBinding(step.now, clock, key, value);
    if (stored !== undefined) this.#restoreTimestamp(step, key.homeAddress, stored.state);
    const mobileNode = policy.directory.ownerOf(key.homeAddress);
    const usable =
      stored !== undefined &&
      mobileNode !== undefined &&
      policy.directory.serves(key.homeAddress) &&
      isServedHere(policy.configuration, stored) &&
      stored.publicKey === (mobileNode.publicKey && hex(mobileNode.publicKey)) &&
      stored.endpoint.esp?.algorithm === dataAlgorithm(mobileNode.esp) &&
      stored.state.expiresAt > step.now;
    if (!usable) bindings.discardStored(step, key, stored);
    else bindings.restore(step, key, mobileNode, this.#withGrantedPrefixes(stored, mobileNode));
  }

  #withGrantedPrefixes(stored: StoredBinding, mobileNode: AuthorizedMobileNode): StoredBinding {
    const { bindings } = this.#context;
    const { mobileNetworkPrefixes } = stored.state;
    const granted = mobileNetworkPrefixes.filter(
      (prefix) =>
        grantsPrefix(mobileNode, prefix.address, prefix.length) &&
        bindings.forwarderOf(prefix) === undefined,
    );
    return granted.length === mobileNetworkPrefixes.length
      ? stored
      : { ...stored, state: { ...stored.state, mobileNetworkPrefixes: granted } };
  }

  #restoreAssignment(step: Step, homeAddress: Ipv6Address, value: JsonValue): void {
    const { policy, pool } = this.#context;
    const address = typeof value === 'string' ? parseIpAddress(value) : undefined;
    const entitled = policy.directory.ownerOf(homeAddress)?.mayUseIpv4Pool === true;
    const assigned =
      entitled && address !== undefined && isIpv4(address) && pool.assign(homeAddress, address);
    if (!assigned) forgetIpv4Assignment(step, homeAddress);
  }

  /**
   * Call after the last record, when all enrolled nodes are known. Assignments without a binding
   * are the first to be reassigned when the pool is exhausted.
   */
  finish(step: Step): void {
    const { policy, bindings, pool } = this.#context;
    for (const { table, key, value } of this.#later) this.#restoreRecord(step, table, key, value);
    this.#later = [];
    for (const binding of bindings.values()) this.#withdrawForeignIpv4(step, binding);
    for (const { homeAddresses } of policy.configuration.mobileNodes) {
      for (const homeAddress of homeAddresses) {
        const bound = bindings.anyOf(homeAddress)?.ipv4HomeAddress;
        pool.setIdle(homeAddress, bound !== pool.assigned(homeAddress));
      }
    }
  }

  /** The IPv4 home address may be another mobile node's by now. */
  #withdrawForeignIpv4(step: Step, binding: Binding): void {
    const { homeAddress, ipv4HomeAddress, mobileNode, mobileNetworkPrefixes } = binding;
    if (ipv4HomeAddress === undefined || mobileNode.ipv4HomeAddresses.includes(ipv4HomeAddress))
      return;
    const { bindings, pool } = this.#context;
    if (pool.assigned(homeAddress) === ipv4HomeAddress) return;
    bindings.narrow(step, binding, { ipv4HomeAddress: undefined, mobileNetworkPrefixes });
  }
}

/** Whether the home agent still has the registration's address and kind of link. */
function isServedHere(
  { addresses, ipv4Addresses }: HomeAgentConfiguration,
  { endpoint, state }: StoredBinding,
): boolean {
  if (!addresses.includes(state.homeAgentAddress)) return false;
  // Behind a translator the local end is not the address in the configuration.
  return isIpv4(endpoint.local)
    ? ipv4Addresses.length > 0
    : endpoint.local === state.homeAgentAddress;
}
