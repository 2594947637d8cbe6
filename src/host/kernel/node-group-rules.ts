/**
 * The rules that keep groups of mobile nodes apart, in nft's language.
 *
 * Prefixes nest: a home address may lie in a mobile network, and while a configuration changes, a
 * network in another one. So each prefix length has its own hash tables, and the rules look up the
 * longest length first, as routing does. A source leads to the chain of its group; there, a
 * destination of the group passes, and one of another group or of none does not.
 */
import { formatPrefix, ipv4, ipv6, isIpv6, networkOf } from '#base/ip.ts';
import type { DesiredGroupMember } from '#engine/contract/packet-filters.ts';

interface Lengths {
  readonly digit: 4 | 6;
  readonly word: 'ip' | 'ip6';
  readonly type: string;
  /** Prefix lengths in use, the longest first. */
  readonly lengths: number[];
}

/** In one command: a line of nft's language must not become too long. */
const ELEMENTS_AT_ONCE = 50;
const ALL_IPV4 = ipv4('255.255.255.255');
const ALL_IPV6 = ipv6('ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff');

export class NodeGroupRules {
  readonly #table: string;
  readonly #between: string;
  /** Numbers of the chains by group. */
  readonly #numbers = new Map<string, number>();
  readonly #members = new Map<string, DesiredGroupMember>();
  readonly #families: readonly [Lengths, Lengths] = [
    { digit: 4, word: 'ip', type: 'ipv4_addr', lengths: [] },
    { digit: 6, word: 'ip6', type: 'ipv6_addr', lengths: [] },
  ];

  constructor(table: string, device: string) {
    this.#table = table;
    this.#between = `iifname "${device}" oifname "${device}"`;
  }

  /** Fills an empty table. A source of no group reaches no tunnel. */
  initial(): readonly string[] {
    const { hook, fill } = this.#hooked();
    return [
      `add chain inet ${this.#table} refused`,
      this.#rule('refused', 'counter drop'),
      hook,
    ].concat(fill);
  }

  /** Lines, each of them one transaction. */
  admit(member: DesiredGroupMember): readonly string[] {
    const structure = this.#makeRoom(member);
    this.#members.set(formatPrefix(member.prefix), member);
    return [...structure, this.#elements('add', [member])];
  }

  dismiss(member: DesiredGroupMember): readonly string[] {
    if (!this.#members.delete(formatPrefix(member.prefix))) return [];
    return [this.#elements('delete', [member])];
  }

  /** Makes the table again as it has to be, from whatever it has become. */
  rebuilt(): readonly string[] {
    const groups = new Map<string, DesiredGroupMember[]>();
    for (const member of this.#members.values()) {
      const key = `${isIpv6(member.prefix.address)} ${member.prefix.length} ${member.group}`;
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [member]);
      else group.push(member);
    }
    return [
      ...this.#structure(),
      ...this.#flushed(),
      ...[...groups.values()].flatMap((members) =>
        Array.from({ length: Math.ceil(members.length / ELEMENTS_AT_ONCE) }, (_, at) =>
          this.#elements('add', members.slice(at * ELEMENTS_AT_ONCE, (at + 1) * ELEMENTS_AT_ONCE)),
        ),
      ),
    ];
  }

  /** Tables for a new length, a chain for a new group. */
  #makeRoom({ prefix, group }: DesiredGroupMember): readonly string[] {
    const isKnown = this.#numbers.has(group);
    if (!isKnown) this.#numbers.set(group, this.#numbers.size + 1);
    const { lengths } = this.#families[isIpv6(prefix.address) ? 1 : 0];
    if (!lengths.includes(prefix.length)) {
      lengths.push(prefix.length);
      lengths.sort((a, b) => b - a);
      return this.#structure();
    }
    return isKnown ? [] : [this.#groupChain(this.#numbers.size)];
  }

  /** Harmless for what exists. The rules of a chain change at once. */
  #structure(): readonly string[] {
    const table = this.#table;
    const { hook, fill } = this.#hooked();
    return [
      ...this.#tables().map(
        ({ kind, name, type }) => `add ${kind} inet ${table} ${name} { ${type}; }`,
      ),
      ...[...this.#numbers.values()].map((number) => this.#groupChain(number)),
      [hook, `flush chain inet ${table} forward`, ...fill].join('; '),
    ];
  }

  #flushed(): readonly string[] {
    const sets = [...this.#numbers.values()].flatMap((number) =>
      this.#each(({ digit }, length) => ({
        kind: 'set',
        name: `group${number}_${digit}_${length}`,
      })),
    );
    return [...this.#tables(), ...sets].map(
      ({ kind, name }) => `flush ${kind} inet ${this.#table} ${name}`,
    );
  }

  #tables(): readonly { readonly kind: string; readonly name: string; readonly type: string }[] {
    return this.#each(({ digit, type }, length) => [
      { kind: 'map', name: `members${digit}_${length}`, type: `type ${type} : verdict` },
      { kind: 'set', name: `all${digit}_${length}`, type: `type ${type}` },
    ]).flat();
  }

  #groupChain(number: number): string {
    const chain = `group${number}`;
    const sets = this.#each(
      ({ digit, type }, length) =>
        `add set inet ${this.#table} ${chain}_${digit}_${length} { type ${type}; }`,
    );
    const rules = this.#each((family, length) => {
      const destination = `${family.word} daddr${maskOf(family, length)}`;
      return [
        `${destination} @${chain}_${family.digit}_${length} accept`,
        `${destination} @all${family.digit}_${length} goto refused`,
      ];
    }).flat();
    return [
      ...sets,
      `add chain inet ${this.#table} ${chain}`,
      `flush chain inet ${this.#table} ${chain}`,
      ...[...rules, 'goto refused'].map((rule) => this.#rule(chain, rule)),
    ].join('; ');
  }

  #hooked(): { readonly hook: string; readonly fill: readonly string[] } {
    const lookups = this.#each(
      (family, length) =>
        `${family.word} saddr${maskOf(family, length)} vmap @members${family.digit}_${length}`,
    );
    return {
      hook:
        `add chain inet ${this.#table} forward ` +
        '{ type filter hook forward priority filter; policy accept; }',
      fill: [...lookups, 'goto refused'].map((rule) =>
        this.#rule('forward', `${this.#between} ${rule}`),
      ),
    };
  }

  /** Of one group and one length. */
  #elements(verb: 'add' | 'delete', members: readonly DesiredGroupMember[]): string {
    const [first] = members;
    if (first === undefined) return '';
    const number = this.#numbers.get(first.group);
    const { address, length } = first.prefix;
    const suffix = `${isIpv6(address) ? 6 : 4}_${length}`;
    const addresses = members.map(({ prefix }) => networkOf(prefix.address, length));
    const change = (name: string, elements: readonly string[]): string =>
      `${verb} element inet ${this.#table} ${name} { ${elements.join(', ')} }`;
    return [
      change(
        `members${suffix}`,
        addresses.map((one) => `${one} : goto group${number}`),
      ),
      change(`all${suffix}`, addresses),
      change(`group${number}_${suffix}`, addresses),
    ].join('; ');
  }

  #each<T>(body: (family: Lengths, length: number) => T): T[] {
    return this.#families.flatMap((family) => family.lengths.map((length) => body(family, length)));
  }

  #rule(chain: string, rule: string): string {
    return `add rule inet ${this.#table} ${chain} ${rule}`;
  }
}

/** None for a whole address. */
function maskOf({ digit }: Lengths, length: number): string {
  if (length === (digit === 6 ? 128 : 32)) return '';
  return ` & ${networkOf(digit === 6 ? ALL_IPV6 : ALL_IPV4, length)}`;
}
