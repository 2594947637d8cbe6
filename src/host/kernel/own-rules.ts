/**
 * The daemon's policy rules, in their place among the rules of other software.
 *
 * `ip rule add` without a priority puts a rule before every other one but the kernel's own
 * (fib_default_rule_pref in net/core/fib_rules.c), so that a VPN that starts later would take the
 * daemon's own packets: WireGuard's `not fwmark 51820 lookup 51820`. Rules with the place 'first'
 * therefore move before such a rule. Rules with the place 'last' are added again behind a later
 * rule of their priority, so that software that wants every packet gets them.
 */
import type { DesiredRule } from '#engine/contract/desired-state.ts';
import { RouteTable } from '#wire/rtnetlink/layout.ts';
import { encodeRuleChange, type RtnetlinkMessage } from '#wire/rtnetlink/message.ts';
import { type RtnetlinkRule, RULE_ACTION_NOTHING } from '#wire/rtnetlink/routes.ts';
import { ruleBody, ruleKey } from './netlink-bodies.ts';
import type { NetlinkRequests } from './netlink-requests.ts';

/** Routing protocols of this suite's daemons: their rules give way to each other by design. */
const SUITE = { first: 201, last: 205 };
const LOWEST_PRIORITY = 1;
const OWN_TRAFFIC = 'lo';

interface OwnRulesOptions {
  readonly protocol: number;
  readonly device: string;
}

export class OwnRules {
  readonly #requests: NetlinkRequests;
  readonly #options: OwnRulesOptions;
  /** By the key of the rule as the engine desires it. */
  readonly #rules = new Map<string, DesiredRule>();
  /** Keys of the rules as the kernel has them. */
  readonly #keys = new Set<string>();
  /** Notifications of the daemon's own deletions that are still to come. */
  readonly #deletions = new Map<string, number>();
  /** Rules of other software that are not for some addresses, ports or interfaces alone. */
  readonly #foreign = new Map<string, RtnetlinkRule>();
  /** Subtracted from the priorities of the rules that come first. */
  #shift = 0;

  constructor(requests: NetlinkRequests, options: OwnRulesOptions) {
    this.#requests = requests;
    this.#options = options;
  }

  add(rule: DesiredRule): void {
    const body = this.#bodyOf(rule);
    this.#request('add', body);
    this.#keys.add(ruleKey(body));
    this.#rules.set(ruleKey(ruleBody(rule, this.#options)), rule);
    if (rule.place === 'first')
      for (const foreign of this.#foreign.values()) this.#moveBefore(foreign);
  }

  delete(rule: DesiredRule): void {
    const body = this.#bodyOf(rule);
    this.#keys.delete(ruleKey(body));
    this.#rules.delete(ruleKey(ruleBody(rule, this.#options)));
    this.#request('delete', body);
  }

  /** Takes a notification; true if another program removed a rule of the daemon. */
  notify(message: RtnetlinkMessage): boolean {
    if (message.kind !== 'rule') return false;
    const { rule, operation } = message;
    if (rule.protocol === this.#options.protocol)
      return operation === 'delete' && this.#isLoss(ruleKey(rule));
    if (operation === 'new') this.#learn(rule);
    else this.#foreign.delete(ruleKey(rule));
    return false;
  }

  /** Finds the rules of other software that exist already, or were not reported. */
  load(rules: readonly RtnetlinkMessage[]): void {
    this.#foreign.clear();
    for (const message of rules)
      if (message.kind === 'rule' && message.rule.protocol !== this.#options.protocol)
        this.#learn(message.rule);
  }

  #learn(foreign: RtnetlinkRule): void {
    if ((foreign.priority ?? 0) < LOWEST_PRIORITY) return;
    if (foreign.invert || !isNarrow(foreign)) this.#foreign.set(ruleKey(foreign), foreign);
    this.#moveBefore(foreign);
    this.#moveBehind(foreign);
  }

  #isLoss(key: string): boolean {
    const expected = this.#deletions.get(key) ?? 0;
    if (expected > 1) this.#deletions.set(key, expected - 1);
    else this.#deletions.delete(key);
    return expected === 0 && this.#keys.has(key);
  }

  #moveBehind({ priority, family }: RtnetlinkRule): void {
    for (const rule of this.#rules.values())
      if (rule.place === 'last' && rule.priority === priority && rule.family === family)
        this.#renew(rule, this.#bodyOf(rule));
  }

  #moveBefore(foreign: RtnetlinkRule): void {
    const { priority = 0 } = foreign;
    const first = [...this.#rules.values()].filter(({ place }) => place === 'first');
    const priorities = first.map((rule) => rule.priority - this.#shift);
    const excess = Math.max(...priorities) - priority + 1;
    if (excess <= 0 || !mayTake(foreign, marksOf(first))) return;
    // No room: rules of other software at the very first priorities are an operator's decision.
    if (Math.min(...priorities) - excess < LOWEST_PRIORITY) return;
    const former = first.map((rule) => ({ rule, body: this.#bodyOf(rule) }));
    this.#shift += excess;
    for (const { rule, body } of former) this.#renew(rule, body);
  }

  /** Adds the rule again, then removes it where it was: some rule is in force all the time. */
  #renew(rule: DesiredRule, former: RtnetlinkRule): void {
    const body = this.#bodyOf(rule);
    this.#request('append', body);
    this.#keys.add(ruleKey(body));
    const key = ruleKey(former);
    if (key !== ruleKey(body)) this.#keys.delete(key);
    this.#deletions.set(key, (this.#deletions.get(key) ?? 0) + 1);
    this.#request('delete', former);
  }

  #bodyOf(rule: DesiredRule): RtnetlinkRule {
    const priority = rule.place === 'first' ? rule.priority - this.#shift : rule.priority;
    return ruleBody({ ...rule, priority }, this.#options);
  }

  #request(change: 'add' | 'append' | 'delete', body: RtnetlinkRule): void {
    const harmless = change === 'delete' ? ['ENOENT', 'ESRCH'] : ['EEXIST'];
    this.#requests.change(`rule ${body.priority}`, harmless, (sequence) =>
      encodeRuleChange(change, body, sequence),
    );
  }
}

/** The daemon's marks; a rule for the value 0 is about packets without one. */
function marksOf(rules: readonly DesiredRule[]): readonly number[] {
  const marks = rules.flatMap(({ mark, invert }) =>
    mark === undefined || mark.value === 0 || invert === true ? [] : [mark.value],
  );
  return marks.length === 0 ? [0] : marks;
}

/**
 * Whether the rule may decide about packets that the daemon itself sends, with one of `marks` and
 * any addresses. A rule for some addresses, ports or interfaces was made for them alone.
 */
export function mayTake(rule: RtnetlinkRule, marks: readonly number[]): boolean {
  const { protocol = 0, table, action, l3mdev } = rule;
  if (protocol >= SUITE.first && protocol <= SUITE.last) return false;
  if (table === RouteTable.local || action === RULE_ACTION_NOTHING || l3mdev === true) return false;
  const narrow = isNarrow(rule);
  if (rule.mark === undefined) return rule.invert ? narrow : !narrow;
  const { mark, markMask = 0xffffffff } = rule;
  const matches = marks.some((own) => (own & markMask) >>> 0 === mark);
  return rule.invert ? narrow || !matches : !narrow && matches;
}

function isNarrow(rule: RtnetlinkRule): boolean {
  const { source, destination, inputInterface = OWN_TRAFFIC, outputInterface } = rule;
  if ((source?.length ?? 0) > 0 || (destination?.length ?? 0) > 0) return true;
  if (inputInterface !== OWN_TRAFFIC || outputInterface !== undefined) return true;
  if (rule.sourcePorts !== undefined || rule.destinationPorts !== undefined) return true;
  return rule.ipProtocol !== undefined || rule.userIds !== undefined;
}
