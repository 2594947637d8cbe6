/**
 * Commands of the operator to an NTMobile node, and their answers. No RFC: the terms are those of
 * docs/reference/ntmobile.md.
 */
import { hex } from '#base/bytes.ts';
import { parseIpAddress } from '#base/ip.ts';
import type { JsonObject, JsonValue } from '#base/json.ts';
import type { Monotonic } from '#base/time.ts';
import { nodeIdOf } from '#crypto/node-credential.ts';
import type { Counters } from '#engine/common/counters.ts';
import { type NetworkInterface, unknownInterface } from '#engine/common/network-interface.ts';
import type { Attachment } from './attachment.ts';
import type { CoordinatorLink } from './coordinator-link.ts';
import { natText } from './nat-mapping.ts';
import type { PathManager } from './paths/path-manager.ts';
import type { PeerNode } from './peer-node.ts';
import type { LoginGrant } from './stored-login.ts';

/** The parts of the node that answers are made from. */
interface NodeView {
  /** The content of this node's credential; undefined while there is none. */
  readonly own: PeerNode | undefined;
  readonly granted: LoginGrant | undefined;
  readonly loginFailure: string | undefined;
  readonly attachment: Attachment;
  readonly coordinator: CoordinatorLink;
  readonly pathManager: PathManager;
  readonly counters: Counters;
  wallOf(at: Monotonic): number;
}

export interface Answer {
  readonly ok: boolean;
  readonly value: JsonValue;
}

/** An unknown command is answered with an error. */
export function answerOperator(now: Monotonic, view: NodeView, command: string): Answer {
  switch (command) {
    case 'status':
      return { ok: true, value: statusOf(now, view) };
    case 'paths':
      return { ok: true, value: view.pathManager.list((at) => view.wallOf(at)) };
    case 'tunnels':
      return { ok: true, value: view.pathManager.tunnels() };
    case 'counters':
    case 'stats':
      return { ok: true, value: { ...view.counters } };
    default:
      return refused(`unknown command '${command}'`);
  }
}

/**
 * The interface that the operator chose, by its name or one of its addresses; undefined restores
 * the selection rules.
 */
export function chosenInterface(
  interfaces: readonly NetworkInterface[],
  { interface: name, careOfAddress }: JsonObject,
): string | undefined | Answer {
  if (typeof name === 'string') {
    const fault = unknownInterface(name, interfaces);
    return fault === undefined ? name : refused(fault);
  }
  if (careOfAddress === undefined || careOfAddress === null) return undefined;
  const address = typeof careOfAddress === 'string' ? parseIpAddress(careOfAddress) : undefined;
  if (address === undefined) return refused('careOfAddress is not an IP address');
  const link = interfaces.find(({ addresses }) => addresses.some((own) => own.address === address));
  return link?.name ?? refused(`no interface has the address ${address}`);
}

function refused(message: string): Answer {
  return { ok: false, value: { message } };
}

export function localAddressFields({ ipv6, ipv4 }: Attachment): JsonObject {
  return {
    ...(ipv6 === undefined ? {} : { ipv6: ipv6.address, ipv6Device: ipv6.device }),
    ...(ipv4 === undefined ? {} : { ipv4: ipv4.address, ipv4Device: ipv4.device }),
  };
}

function statusOf(
  now: Monotonic,
  { own, granted, loginFailure, attachment, coordinator, pathManager, ...view }: NodeView,
) {
  const { mapping } = coordinator;
  const relays = [...pathManager.relays()].map(({ publicKey, roundTripMs, session }) => ({
    nodeId: hex(nodeIdOf(publicKey)),
    up: session?.current !== undefined,
    remote: session?.udpPath.remote,
    roundTripMs,
  }));
  return {
    name: own?.name,
    virtualIpv6: own?.virtualIpv6,
    virtualIpv4: own?.virtualIpv4,
    credentialSeconds:
      granted === undefined ? undefined : Math.round((granted.notAfter - view.wallOf(now)) / 1000),
    loginFailure,
    coordinator: coordinator.state,
    coordinatorName: granted?.coordinators[0]?.name,
    localAddresses: localAddressFields(attachment),
    nat: mapping === undefined ? undefined : natText(mapping),
    relays,
    paths: pathManager.list((at) => view.wallOf(at)),
  };
}
