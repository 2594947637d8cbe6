/**
 * Tells the sender of tunnelled data that this home agent has no binding for it: the home agent
 * restarted without its store, or the node's NAT gave it another port. Without that, the node
 * notices at its next refresh.
 *
 * RFC 6275 §9.3.3  Binding Error, status 1: the node registers again (§11.3.6)
 * Own choice: RFC 6275 §10.4.5 has such data dropped in silence. The answer is a hint that anybody
 * can forge, and a node treats it so. It goes to the outer source alone, with the Mobility Header
 * of a Binding Error: to an IPv6 endpoint without a tunnel, to an IPv4 endpoint in UDP (RFC 5555
 * §4.1). The plane bounds how many there are. For data from an IPv4 home address whose node is
 * unknown here, destination and Home Address are the IPv4-mapped address (RFC 4291 §2.5.5.2).
 */
import {
  type IpAddress,
  type Ipv6Address,
  ipv4Mapped,
  isIpv6,
  isMulticast,
  isUnspecified,
  prefixContains,
} from '#base/ip.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { UnknownEndpointInput } from '#engine/contract/input.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import { mobilityPacket } from '#engine/mobile-ipv6/common/mobility-packet.ts';
import { encodeMobility } from '#wire/mobility/header.ts';
import { BindingErrorStatus } from '#wire/mobility/message.ts';
import type { Binding } from './bindings/binding.ts';
import type { HomeAgentCounters } from './reasons.ts';
import type { BindingLookup, Policy } from './registration-view.ts';

/** RFC 5555 §4.1. */
const NODE_UDP_PORT = 4191;

interface UnknownEndpointContext {
  readonly policy: Policy;
  readonly bindings: BindingLookup;
  readonly counters: HomeAgentCounters;
}

export class UnknownEndpoints {
  readonly #context: UnknownEndpointContext;

  constructor(context: UnknownEndpointContext) {
    this.#context = context;
  }

  handle(step: Step, endpoint: UnknownEndpointInput): void {
    const { bindings, counters } = this.#context;
    const { innerSource } = endpoint;
    const binding = bindings.anyOf(innerSource) ?? bindings.networkAround(innerSource);
    // A Binding Update right before the data was still in the engine's queue.
    if (binding !== undefined && leadsTo(binding, endpoint)) {
      counters.count('unknown-endpoint-registered');
      return;
    }
    // A node whose data are protected takes no unprotected hint.
    const { directory } = this.#context.policy;
    const owner = binding?.mobileNode ?? directory.ownerAround(innerSource);
    if (owner?.publicKey !== undefined || owner?.esp?.data !== undefined) {
      counters.count('unknown-endpoint-ignored');
      return;
    }
    const homeAddress = binding?.homeAddress ?? this.#homeAddressOf(innerSource);
    const source = binding?.homeAgentAddress ?? this.#ownAddress(endpoint.local);
    const path = pathTo(endpoint, this.#context.policy.configuration.udpPort);
    if (homeAddress === undefined || source === undefined || path === undefined) {
      counters.count('unknown-endpoint-ignored');
      return;
    }
    step.out.push({ kind: 'send', path, packet: bindingError(endpoint, source, homeAddress) });
    counters.count('unknown-endpoint-answered');
  }

  /** The home address of the node that may send from `source`; undefined if there is none. */
  #homeAddressOf(source: IpAddress): Ipv6Address | undefined {
    const { configuration, directory } = this.#context.policy;
    const owner = directory.ownerAround(source);
    if (owner !== undefined) {
      return isIpv6(source) && owner.homeAddresses.includes(source)
        ? source
        : owner.homeAddresses[0];
    }
    if (isIpv6(source))
      return configuration.insecure && directory.isHomeSubnet(source) ? source : undefined;
    const { ipv4Pool } = configuration;
    return ipv4Pool !== undefined && prefixContains(ipv4Pool, source)
      ? ipv4Mapped(source)
      : undefined;
  }

  #ownAddress(local: IpAddress): Ipv6Address | undefined {
    const { addresses } = this.#context.policy.configuration;
    return addresses.find((own) => own === local) ?? addresses[0];
  }
}

function leadsTo(
  { tunnel }: Binding,
  { carrier, remote, remotePort }: UnknownEndpointInput,
): boolean {
  const { endpoint } = tunnel;
  return (
    endpoint.carrier === carrier && endpoint.remote === remote && endpoint.remotePort === remotePort
  );
}

/** Undefined if the endpoint cannot be a node's. */
function pathTo(endpoint: UnknownEndpointInput, udpPort: number): PacketPath | undefined {
  const { carrier, local, remote, remotePort } = endpoint;
  if (isMulticast(remote) || isUnspecified(remote)) return undefined;
  if (isIpv6(remote)) return carrier === 'ip' ? { kind: 'ipv6' } : undefined;
  if (isIpv6(local)) return undefined;
  // A node without NAT, whose tunnel has no UDP, listens for control messages at the usual port.
  const port = carrier === 'udp' ? remotePort : NODE_UDP_PORT;
  return { kind: 'udp', local, localPort: udpPort, remote, remotePort: port };
}

function bindingError(
  { remote }: UnknownEndpointInput,
  source: Ipv6Address,
  homeAddress: Ipv6Address,
): Uint8Array {
  const destination = isIpv6(remote) ? remote : homeAddress;
  const payload = encodeMobility(
    { type: 'binding-error', status: BindingErrorStatus.unknownBinding, homeAddress, options: [] },
    source,
    destination,
  );
  return mobilityPacket(source, destination, undefined, payload);
}
