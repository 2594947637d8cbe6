/**
 * Lies of a direction coordinator: the real engine, whose messages are changed after it parsed a
 * request and before it seals an answer. The simulation and the hostile coordinator of the lab use
 * the same table. No RFC: docs/reference/ntmobile.md §11.
 */
import { fromHex, isMalformed } from '#base/bytes.ts';
import { ipv4, ipv6 } from '#base/ip.ts';
import { type CredentialContents, makeCredential } from '#crypto/node-credential.ts';
import { signingKeyOf } from '#crypto/primitives.ts';
import { type NodeCredential, nodeCredentialCodec } from '#wire/ntmobile/credential.ts';
import { type NtmobileMessage, ntmobileMessageCodec } from '#wire/ntmobile/message.ts';
import {
  CandidateKind,
  DirectionRole,
  type Endpoint,
  findNtmobileOption,
  type NtmobileOption,
} from '#wire/ntmobile/options.ts';

/** Whom the lies are about; plain data, so that a file can hold it. */
export interface LieSubject {
  /** The name that the victim asks for, and that of another node. */
  readonly target: string;
  readonly other: string;
  /** The name of a server outside of the zone, which the attacker runs. */
  readonly server: string;
  /** The name of another server outside of the zone. */
  readonly otherServer: string;
  readonly targetIpv6: string;
  readonly targetIpv4: string;
  readonly otherIpv4: string;
  readonly victimIpv6: string;
  readonly victimIpv4: string;
  /** A relay that is none of the system, hexadecimal digits. */
  readonly strangeRelay: string;
  /**
   * The seed of the authority, hexadecimal digits: what it signed once, for whomever, any
   * coordinator may have kept.
   */
  readonly authority: string;
  /** Endpoints that the lie `candidates` names. */
  readonly candidates: readonly { readonly address: string; readonly port: number }[];
}

export interface Lie {
  /** The name that the victim asks for. */
  readonly asks: 'target' | 'server';
  /** Whose counter grows: that of the node that asks, or of the node that it asks for. */
  readonly at: 'requester' | 'target';
  readonly refusedAs: string;
  /** The victim has been directed to the other node before. */
  readonly knowsOther?: boolean;
  /** Applications of the victim use the other server. */
  readonly usesOtherServer?: boolean;
  readonly hear?: Change;
  readonly tell?: Change;
}

type Change = (message: NtmobileMessage, subject: LieSubject) => NtmobileMessage;
type Options = (subject: LieSubject) => readonly NtmobileOption[];

/** Credentials that the coordinator sent earlier, by name: it may send them again. */
const sentCredentials = new Map<string, Uint8Array>();
/** The addresses of servers that it sent earlier, by name. */
const sentAddresses = new Map<string, readonly NtmobileOption[]>();

function replaced(message: NtmobileMessage, given: readonly NtmobileOption[]): NtmobileMessage {
  const kept = message.options.filter(({ type }) => given.every((option) => option.type !== type));
  return { ...message, options: [...kept, ...given] };
}

const isGranted = ({ type, answer, status }: NtmobileMessage): boolean =>
  type === 'route-direction' && answer && status === 0;

/** Changes the Route Direction to the node that asked. */
const toRequester =
  (given: Options): Change =>
  (message, subject) =>
    isGranted(message) ? replaced(message, given(subject)) : message;

/** Changes the Route Direction to the node that was asked for. */
const toTarget =
  (given: Options): Change =>
  (message, subject) =>
    message.type === 'route-direction' && !message.answer
      ? replaced(message, given(subject))
      : message;

/** The coordinator acts as if another name had been asked for. */
const hearing =
  (name: (subject: LieSubject) => string): Change =>
  (message, subject) =>
    message.type === 'direction-request'
      ? replaced(message, [{ type: 'name', name: name(subject) }])
      : message;

const virtual =
  (addresses: (subject: LieSubject) => readonly [string, string]): Options =>
  (subject) => {
    const [six, four] = addresses(subject);
    return [
      { type: 'virtual-ipv6', address: ipv6(six) },
      { type: 'virtual-ipv4', address: ipv4(four) },
    ];
  };

const without =
  (type: NtmobileOption['type']): Change =>
  (message) =>
    isGranted(message)
      ? { ...message, options: message.options.filter((option) => option.type !== type) }
      : message;

function forged(message: NtmobileMessage): NtmobileMessage {
  const credential = findNtmobileOption(message.options, 'credential')?.credential.slice();
  if (credential === undefined) return message;
  credential[credential.length - 1] = (credential.at(-1) ?? 0) ^ 1;
  return replaced(message, [{ type: 'credential', credential }]);
}

const credentialOf = (name: string): readonly NtmobileOption[] => {
  const credential = sentCredentials.get(name);
  return credential === undefined ? [] : [{ type: 'credential', credential }];
};

/** The node's credential with other contents, as the authority may have signed it once. */
const signedOnce =
  (
    contents: (genuine: NodeCredential, subject: LieSubject) => Partial<CredentialContents>,
  ): Change =>
  (message, subject) => {
    const octets = findNtmobileOption(message.options, 'credential')?.credential;
    if (!isGranted(message) || octets === undefined) return message;
    const genuine = nodeCredentialCodec.parse(octets);
    if (isMalformed(genuine)) return message;
    const authority = signingKeyOf(fromHex(subject.authority));
    const changed = { ...genuine, ...contents(genuine, subject) };
    return replaced(message, [
      { type: 'credential', credential: makeCredential(authority, changed) },
    ]);
  };

const [GENERAL_IPV6, GENERAL_IPV4] = ['fd12:3456:789a:1::77', '198.19.7.7'];

/** Every lie is refused by the node, and counted by its reason. */
export const LIES: Readonly<Record<string, Lie>> = {
  'names a server in place of a node': {
    ...{ asks: 'target', at: 'requester', refusedAs: 'direction-general-in-zone' },
    hear: hearing(({ server }) => server),
    tell: toRequester(({ target }) => [{ type: 'name', name: target }]),
  },
  'gives the addresses of a node to a server': {
    ...{ asks: 'server', at: 'requester', refusedAs: 'direction-general-address' },
    tell: toRequester(virtual(({ targetIpv6, targetIpv4 }) => [targetIpv6, targetIpv4])),
  },
  'gives the IPv4 address of a node to a server': {
    ...{ asks: 'server', at: 'requester', refusedAs: 'direction-general-address' },
    tell: toRequester(virtual(({ targetIpv4 }) => [GENERAL_IPV6, targetIpv4])),
  },
  "gives the victim's own addresses to a server": {
    ...{ asks: 'server', at: 'requester', refusedAs: 'direction-general-address' },
    tell: toRequester(virtual(({ victimIpv6, victimIpv4 }) => [victimIpv6, victimIpv4])),
  },
  'gives the addresses of a server in use to another server': {
    ...{ asks: 'server', at: 'requester', refusedAs: 'direction-address-taken' },
    ...{ usesOtherServer: true },
    tell: toRequester(({ otherServer }) => sentAddresses.get(otherServer) ?? []),
  },
  'gives a real IPv6 address to a server': {
    ...{ asks: 'server', at: 'requester', refusedAs: 'direction-general-address' },
    tell: toRequester(virtual(() => ['2001:db8:f:2::2', GENERAL_IPV4])),
  },
  'gives a real IPv4 address to a server': {
    ...{ asks: 'server', at: 'requester', refusedAs: 'direction-general-address' },
    tell: toRequester(virtual(() => [GENERAL_IPV6, '198.51.100.2'])),
  },
  'answers for another server': {
    ...{ asks: 'server', at: 'requester', refusedAs: 'direction-other-name' },
    tell: toRequester(() => [{ type: 'name', name: 'bank.example' }]),
  },
  'names a node in place of a server': {
    ...{ asks: 'server', at: 'requester', refusedAs: 'direction-other-name' },
    hear: hearing(({ target }) => target),
  },
  'names a node in place of a server, under its name': {
    ...{ asks: 'server', at: 'requester', refusedAs: 'direction-other-name' },
    hear: hearing(({ target }) => target),
    tell: toRequester(({ server }) => [{ type: 'name', name: server }]),
  },
  'names another node': {
    ...{ asks: 'target', at: 'requester', refusedAs: 'direction-other-name' },
    hear: hearing(({ other }) => other),
  },
  'names another node, with the name and the addresses that were asked for': {
    ...{ asks: 'target', at: 'requester', refusedAs: 'direction-other-name' },
    hear: hearing(({ other }) => other),
    tell: toRequester((subject) => [
      { type: 'name', name: subject.target },
      ...virtual(({ targetIpv6, targetIpv4 }) => [targetIpv6, targetIpv4])(subject),
    ]),
  },
  'sends the credential of another node': {
    ...{ asks: 'target', at: 'requester', refusedAs: 'direction-other-name' },
    tell: toRequester(({ other }) => credentialOf(other)),
  },
  'gives other addresses than the credential': {
    ...{ asks: 'target', at: 'requester', refusedAs: 'direction-other-address' },
    tell: toRequester(virtual(() => [GENERAL_IPV6, GENERAL_IPV4])),
  },
  'sends a forged credential': {
    ...{ asks: 'target', at: 'requester', refusedAs: 'credential-refused' },
    tell: (message) => (isGranted(message) ? forged(message) : message),
  },
  'sends an expired credential': {
    ...{ asks: 'target', at: 'requester', refusedAs: 'credential-expired' },
    tell: signedOnce(({ notBefore }) => ({ notBefore: 1n, notAfter: notBefore - 1n })),
  },
  'sends a credential of another zone': {
    ...{ asks: 'target', at: 'requester', refusedAs: 'credential-other-zone' },
    tell: signedOnce(() => ({ name: 'b.other.example' })),
  },
  'directs to a node of another group': {
    ...{ asks: 'target', at: 'requester', refusedAs: 'direction-other-groups' },
    tell: signedOnce(() => ({ groups: ['others'] })),
  },
  'sends a credential with an address that another node has since': {
    ...{ asks: 'target', at: 'requester', refusedAs: 'credential-superseded' },
    ...{ knowsOther: true },
    tell: signedOnce(({ notBefore }, { otherIpv4 }) => ({
      ...{ notBefore: notBefore - 100_000n, virtualIpv4: ipv4(otherIpv4) },
    })),
  },
  'sends no credential': {
    ...{ asks: 'target', at: 'requester', refusedAs: 'direction-incomplete' },
    tell: without('credential'),
  },
  'sends the path of another exchange': {
    ...{ asks: 'target', at: 'requester', refusedAs: 'direction-other-path' },
    tell: toRequester(() => [{ type: 'path-id', pathId: new Uint8Array(8).fill(7) }]),
  },
  'names the requester as responder': {
    ...{ asks: 'target', at: 'requester', refusedAs: 'direction-wrong-role' },
    tell: toRequester(() => [{ type: 'role', role: DirectionRole.responder }]),
  },
  'names a relay that is none of the system for a node': {
    ...{ asks: 'target', at: 'requester', refusedAs: 'relay-unknown' },
    tell: toRequester(strangeRelay),
  },
  'names a relay that is none of the system for a server': {
    ...{ asks: 'server', at: 'requester', refusedAs: 'relay-unknown' },
    tell: toRequester(strangeRelay),
  },
  'names no relay for a server': {
    ...{ asks: 'server', at: 'requester', refusedAs: 'direction-incomplete' },
    tell: without('relay'),
  },
  'directs a node that did not ask': {
    ...{ asks: 'target', at: 'target', refusedAs: 'direction-unasked' },
    tell: toTarget(() => [{ type: 'role', role: DirectionRole.initiator }]),
  },
  'directs a node to a server that it did not ask for': {
    ...{ asks: 'target', at: 'target', refusedAs: 'direction-unasked' },
    tell: toTarget(() => [
      { type: 'role', role: DirectionRole.general },
      { type: 'virtual-ipv6', address: ipv6(GENERAL_IPV6) },
    ]),
  },
  'invents the node that asked': {
    ...{ asks: 'target', at: 'target', refusedAs: 'credential-refused' },
    tell: (message) => (isGranted(message) ? message : forged(message)),
  },
  'directs a node to itself': {
    ...{ asks: 'target', at: 'target', refusedAs: 'direction-own-node' },
    tell: toTarget((subject) => [
      ...credentialOf(subject.target),
      { type: 'name', name: subject.target },
      ...virtual(({ targetIpv6, targetIpv4 }) => [targetIpv6, targetIpv4])(subject),
    ]),
  },
};

function strangeRelay({ strangeRelay: key, candidates }: LieSubject): readonly NtmobileOption[] {
  return [
    { type: 'relay', publicKey: Buffer.from(key, 'hex'), endpoints: endpointsOf(candidates) },
  ];
}

function endpointsOf(candidates: LieSubject['candidates']): readonly Endpoint[] {
  return candidates.map(({ address, port }) => ({
    address: address.includes(':') ? ipv6(address) : ipv4(address),
    port,
  }));
}

/** A node, or a coordinator in its name, is at all these endpoints: no receiver can tell. */
export const CANDIDATES: Lie = {
  ...{ asks: 'target', at: 'requester', refusedAs: 'candidate-skipped' },
  tell: (message, { candidates }) => {
    if (!isGranted(message) && message.type !== 'path-challenge') return message;
    const endpoints = endpointsOf(candidates);
    return replaced(
      message,
      endpoints.map((endpoint) => ({
        ...{ type: 'candidate', kind: CandidateKind.host, priority: 500, endpoint },
      })),
    );
  },
};

/** The key of the relay, at the endpoints of a stranger: no receiver can tell. */
export const RELAY_ELSEWHERE: Lie = {
  ...{ asks: 'target', at: 'requester', refusedAs: '' },
  tell: (message, { candidates }) => ({
    ...message,
    options: message.options.map((option) =>
      option.type === 'relay' ? { ...option, endpoints: endpointsOf(candidates) } : option,
    ),
  }),
};

/** Changes all messages of this process; `chosen` is asked for each message. */
export function lieWith(chosen: () => { lie: Lie; subject: LieSubject } | undefined): Disposable {
  const honest = { ...ntmobileMessageCodec };
  const written = new WeakMap<NtmobileMessage, NtmobileMessage>();
  const told = (message: NtmobileMessage): NtmobileMessage => {
    const name = findNtmobileOption(message.options, 'name')?.name;
    const credential = findNtmobileOption(message.options, 'credential')?.credential;
    if (name !== undefined && credential !== undefined && !written.has(message))
      sentCredentials.set(name, credential);
    const addresses = message.options.filter(({ type }) => type.startsWith('virtual-'));
    if (name !== undefined && credential === undefined && isGranted(message))
      sentAddresses.set(name, addresses);
    const { lie, subject } = chosen() ?? {};
    const changed =
      written.get(message) ??
      (subject === undefined ? message : (lie?.tell?.(message, subject) ?? message));
    written.set(message, changed);
    return changed;
  };
  Object.assign(ntmobileMessageCodec, {
    parse: (octets: Uint8Array) => {
      const message = honest.parse(octets);
      const { lie, subject } = chosen() ?? {};
      return isMalformed(message) || subject === undefined
        ? message
        : (lie?.hear?.(message, subject) ?? message);
    },
    size: (message: NtmobileMessage) => honest.size(told(message)),
    write: (message: NtmobileMessage, writer: Parameters<typeof honest.write>[1]) =>
      honest.write(told(message), writer),
  });
  return { [Symbol.dispose]: () => Object.assign(ntmobileMessageCodec, honest) };
}
