/**
 * The routing tables that the kernel's policy rules give to a packet of this host, by its source.
 *
 * Linux Documentation/networking/policy-routing.rst, net/core/fib_rules.c; VRF
 * (Documentation/networking/vrf.rst). The packet has no mark and its socket is bound to no
 * interface, as an application's. Rules for other packets are passed over: for a destination, a
 * protocol, a port, a mark, another user, or forwarded packets; and those that suppress defaults.
 */
import { formatPrefix, type Prefix } from '#base/ip.ts';
import { RouteTable } from '#wire/rtnetlink/layout.ts';
import { type RtnetlinkRule, RULE_ACTION_TO_TABLE } from '#wire/rtnetlink/routes.ts';

/** One lookup of a table, in the order of the rules. */
export interface TableLookup {
  /** Undefined: the table of the VRF to which the interface belongs. */
  readonly table: number | undefined;
  /** Only packets from these addresses; undefined: from all. */
  readonly source: Prefix | undefined;
}

const WITHOUT_RULES: readonly TableLookup[] = [{ table: RouteTable.main, source: undefined }];
/** Routing protocols of this suite's daemons. */
const SUITE = { first: 201, last: 205 };

export class TableLookups {
  readonly #rules = new Map<string, RtnetlinkRule>();
  readonly #userId: number;
  #lookups: ReadonlyMap<4 | 6, readonly TableLookup[]> | undefined;

  /** `userId`: of this process. */
  constructor(userId: number) {
    this.#userId = userId;
  }

  load(rules: readonly RtnetlinkRule[]): void {
    this.#rules.clear();
    for (const rule of rules) this.take(true, rule);
    this.#lookups = undefined;
  }

  /** Returns whether the rule matters. */
  take(present: boolean, rule: RtnetlinkRule): boolean {
    if (!this.#applies(rule)) return false;
    if (present) this.#rules.set(keyOf(rule), rule);
    else this.#rules.delete(keyOf(rule));
    this.#lookups = undefined;
    return true;
  }

  of(family: 4 | 6): readonly TableLookup[] {
    this.#lookups ??= new Map([
      [4, this.#compute(4)],
      [6, this.#compute(6)],
    ]);
    const lookups = this.#lookups.get(family) ?? [];
    return lookups.length === 0 ? WITHOUT_RULES : lookups;
  }

  #compute(family: 4 | 6): readonly TableLookup[] {
    return [...this.#rules.values()]
      .filter((rule) => rule.family === family)
      .sort((a, b) => (a.priority ?? 0) - (b.priority ?? 0))
      .map(({ table, source, l3mdev }) => ({
        table: l3mdev === true ? undefined : table,
        source: source === undefined || source.length === 0 ? undefined : source,
      }));
  }

  #applies(rule: RtnetlinkRule): boolean {
    const { protocol = 0, action, table, invert, mark = 0, userIds } = rule;
    if (protocol >= SUITE.first && protocol <= SUITE.last) return false;
    if (action !== RULE_ACTION_TO_TABLE || table === RouteTable.local) return false;
    if ((rule.suppressPrefixLength ?? -1) >= 0 || (rule.destination?.length ?? 0) > 0) return false;
    if (rule.inputInterface !== undefined && rule.inputInterface !== 'lo') return false;
    if (rule.outputInterface !== undefined || rule.ipProtocol !== undefined) return false;
    if (rule.sourcePorts !== undefined || rule.destinationPorts !== undefined) return false;
    // A VPN's `not fwmark` leads into the VPN, which is no uplink.
    if (mark !== 0 || invert) return false;
    return userIds === undefined || isWithin(userIds, this.#userId);
  }
}

function isWithin({ first, last }: { first: number; last: number }, id: number): boolean {
  return first <= id && id <= last;
}

function keyOf({
  family,
  priority,
  table,
  source,
  mark,
  markMask,
  userIds,
}: RtnetlinkRule): string {
  const from = source === undefined ? '*' : formatPrefix(source);
  return `${family} ${priority} ${table} ${from} ${mark}/${markMask} ${userIds?.first}`;
}
