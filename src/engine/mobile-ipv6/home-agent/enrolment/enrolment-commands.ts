/**
 * The operator's commands about enrolments: add, list, show, revoke.
 *
 * No RFC: docs/reference/enrolment.md §5
 */
import { hex } from '#base/bytes.ts';
import { formatPrefix, isGlobalUnicast, type Prefix, parseIpv6, parsePrefix } from '#base/ip.ts';
import type { JsonObject, JsonValue } from '#base/json.ts';
import { formatEnrolmentLine, isNodeName, MOST_LINE_ADDRESSES } from '#crypto/enrolment-line.ts';
import type { Step } from '#engine/contract/engine.ts';
import { emit } from '#engine/mobile-ipv6/home-agent/events.ts';
import type { OperatorPolicy } from '#engine/mobile-ipv6/home-agent/policy.ts';
import { MOST_GRANTED_PREFIXES } from '#wire/ntmobile/enrolment-options.ts';
import { type Enrolment, parseIpv4Grant } from './enrolment.ts';
import type { Enrolments } from './enrolments.ts';

/** RFC 5555 §4.1. */
const USUAL_PORT = 4191;
const DAY_SECONDS = 86_400;
const SHORTEST_SECONDS = 60;
const LONGEST_SECONDS = 30 * DAY_SECONDS;
/** As in the configuration. */
const GROUP = /^.{1,64}$/s;
/** Expiry has 32 bits of seconds. */
const LARGEST_U32 = 0xffff_ffff;

type Answer = { readonly ok: boolean; readonly value: JsonValue };

interface CommandsContext {
  readonly enrolments: Enrolments;
  readonly policy: OperatorPolicy;
  /** This home agent's public key. */
  readonly publicKey: Uint8Array;
  /** Applies the policy to what exists. */
  recheck(step: Step): void;
}

const refuse = (value: string): Answer => ({ ok: false, value });

export class EnrolmentCommands {
  readonly #context: CommandsContext;

  constructor(context: CommandsContext) {
    this.#context = context;
  }

  add(step: Step, parameters: JsonObject): Answer {
    const wanted = parseWanted(parameters);
    if (typeof wanted === 'string') return refuse(wanted);
    const { udpPort } = this.#context.policy.configuration;
    if (udpPort !== USUAL_PORT)
      return refuse(`nodes register at port ${USUAL_PORT} only; remove udpPort: ${udpPort}`);
    const { name, validSeconds, ...grants } = wanted;
    const added = this.#context.enrolments.add(step, name, grants, validSeconds * 1000);
    if (typeof added === 'string') return refuse(added);
    const { enrolment, secret } = added;
    const { homeAddress } = enrolment.grants;
    emit(step, 'info', 'enrolment-added', { identifier: name, homeAddress });
    const line = this.#lineOf(enrolment, secret);
    return { ok: true, value: { ...this.#row(step, enrolment), line } };
  }

  #lineOf({ name, grants, expiresWallMs }: Enrolment, secret: Uint8Array): string {
    const { addresses, ipv4Addresses, udpPort } = this.#context.policy.configuration;
    return formatEnrolmentLine({
      ...{ name, secret, publicKey: this.#context.publicKey, port: udpPort },
      expiresAt: Math.min(LARGEST_U32, Math.floor(expiresWallMs / 1000)),
      addresses: addresses.slice(0, MOST_LINE_ADDRESSES),
      ipv4Addresses: ipv4Addresses.slice(0, MOST_LINE_ADDRESSES),
      router: grants.mobileRouter,
    });
  }

  list(step: Step): Answer {
    const rows = [...this.#context.enrolments.values()].map((one) => this.#row(step, one));
    return { ok: true, value: rows };
  }

  show(step: Step, { name }: JsonObject): Answer {
    const enrolment = this.#context.enrolments.get(String(name));
    return enrolment === undefined
      ? refuse(`no enrolment ${String(name)}`)
      : { ok: true, value: this.#row(step, enrolment) };
  }

  revoke(step: Step, { name }: JsonObject): Answer {
    const { enrolments, policy, recheck } = this.#context;
    const ended = enrolments.revoke(step, String(name));
    if (ended === undefined) return refuse(`no enrolment ${String(name)}`);
    policy.setEnrolled(enrolments.mobileNodes());
    recheck(step);
    emit(step, 'info', 'enrolment-revoked', { identifier: ended.name });
    return { ok: true, value: { name: ended.name, wasEnrolled: ended.state.phase === 'enrolled' } };
  }

  #row(step: Step, enrolment: Enrolment): JsonObject {
    const { enrolments } = this.#context;
    const { name, grants, state, createdWallMs, expiresWallMs } = enrolment;
    const conflict = enrolments.conflictOf(name);
    const phase = enrolments.isExpired(step, enrolment) ? 'expired' : state.phase;
    return {
      name,
      state: conflict === undefined ? phase : 'conflict',
      homeAddress: grants.homeAddress,
      ipv4HomeAddress: grants.ipv4HomeAddress,
      mobileRouter: grants.mobileRouter,
      mobileNetworkPrefixes: grants.mobileNetworkPrefixes.map(formatPrefix),
      group: grants.group ?? null,
      createdWallMs,
      expiresWallMs,
      enrolledWallMs: state.phase === 'enrolled' ? state.enrolledWallMs : null,
      publicKey: state.phase === 'enrolled' ? `hex:${hex(state.publicKey)}` : null,
      conflict: conflict ?? null,
    };
  }
}

function parseWanted(parameters: JsonObject) {
  const { name, homeAddress, ipv4HomeAddress, router, expiresSeconds = DAY_SECONDS } = parameters;
  if (typeof name !== 'string' || !isNodeName(name))
    return 'name: at most 63 letters, digits and ".", "_", "@", "-" between them';
  const home = homeAddress === undefined ? undefined : parseIpv6(String(homeAddress));
  if (homeAddress !== undefined && home === undefined)
    return `homeAddress: ${String(homeAddress)} is not an IPv6 address`;
  const ipv4 = ipv4HomeAddress === undefined ? undefined : parseIpv4Grant(String(ipv4HomeAddress));
  if (ipv4HomeAddress !== undefined && ipv4 === undefined)
    return `ipv4HomeAddress: ${String(ipv4HomeAddress)} is no IPv4 address, dynamic or none`;
  const prefixes = parsePrefixes(parameters['prefixes']);
  if (typeof prefixes === 'string') return prefixes;
  const { group } = parameters;
  if (group !== undefined && !(typeof group === 'string' && GROUP.test(group)))
    return 'group: must have 1 to 64 characters';
  const seconds = Number(expiresSeconds);
  if (!Number.isInteger(seconds) || seconds < SHORTEST_SECONDS || seconds > LONGEST_SECONDS)
    return `expires: must be between ${SHORTEST_SECONDS} seconds and 30 days`;
  return {
    ...{ name, homeAddress: home, ipv4HomeAddress: ipv4, validSeconds: seconds },
    ...{ mobileNetworkPrefixes: prefixes, group },
    mobileRouter: router === true || prefixes.length > 0,
  };
}

function parsePrefixes(given: JsonValue | undefined): readonly Prefix[] | string {
  if (given === undefined) return [];
  if (!Array.isArray(given)) return 'prefixes: must be a list';
  if (given.length > MOST_GRANTED_PREFIXES)
    return `prefixes: at most ${MOST_GRANTED_PREFIXES} can be granted`;
  const prefixes: Prefix[] = [];
  for (const one of given) {
    const prefix = String(one).includes('/') ? parsePrefix(String(one)) : undefined;
    if (prefix === undefined || !isGlobalUnicast(prefix.address))
      return `prefixes: ${String(one)} is not a unicast prefix such as 2001:db8:1:200::/64`;
    prefixes.push(prefix);
  }
  return prefixes;
}
