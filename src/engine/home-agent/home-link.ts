/**
 * The home link: nobody else may use a home address, and packets for it come to us.
 *
 * RFC 6275 §10.3.1 duplicate address detection before the first acknowledgement;  §10.4.1 interception
 */
import { type Monotonic, NEVER } from '#base/time.ts';
import type { NetworkInterface, Output, Path } from '#engine/contract.ts';
import type { Binding } from './binding.ts';
import type { RegistrationRequest, Sender } from './registration-request.ts';
import type { HomeAgentState } from './state.ts';

export class HomeLink {
  readonly device: string;
  constructor(device: string) {
    this.device = device;
  }
  deadline(): Monotonic {
    return NEVER;
  }
  get pendingCount(): number {
    return 0;
  }
}

export function startDuplicateAddressDetection(
  _state: HomeAgentState,
  _link: HomeLink,
  _now: Monotonic,
  _request: RegistrationRequest,
  _sender: Sender,
  _out: Output[],
): void {}
export function announce(
  _state: HomeAgentState,
  _link: HomeLink,
  _now: Monotonic,
  _binding: Binding,
  _out: Output[],
): void {}
export function sendHome(
  _state: HomeAgentState,
  _now: Monotonic,
  request: RegistrationRequest,
  packet: Uint8Array,
  out: Output[],
): void {
  out.push({ kind: 'send', path: request.path, packet });
}
export function receiveOnLink(
  state: HomeAgentState,
  _now: Monotonic,
  _path: Path,
  _packet: Uint8Array,
  _out: Output[],
): void {
  state.count('neighbour-packet-ignored');
}
export function runHomeLinkTimers(_state: HomeAgentState, _now: Monotonic, _out: Output[]): void {}
export function setHomeLinkInterfaces(_state: HomeAgentState, _interfaces: readonly NetworkInterface[]): void {}
export function repeatAnnouncement(_state: HomeAgentState, _now: Monotonic, _binding: Binding, _out: Output[]): void {}
