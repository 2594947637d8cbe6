/** Events and counters about the paths of a home. No RFC behaviour here. */
import type { Step } from '#engine/contract/engine.ts';
import type { ExchangeHome } from '#engine/mobile-ipv6/mobile-node/binding/exchange.ts';
import type { CareOfCandidate } from '#engine/mobile-ipv6/mobile-node/network/care-of-candidate.ts';
import type { UnansweredExchange } from './home-agent-addresses.ts';

type ReportingHome = Pick<ExchangeHome, 'node' | 'event'>;

/** The node uses another care-of address; `from` is the former location. */
export function reportHandover(
  home: ReportingHome,
  step: Step,
  from: string,
  { address, family, device, appearedAt }: CareOfCandidate,
): void {
  home.node.count('handover');
  home.event(step, 'handover', 'info', {
    from,
    to: address,
    careOfAddress: address,
    encapsulation: family === 6 ? 'ipip' : 'udp',
    interface: device,
    addressAtMs: appearedAt,
    atMs: step.now,
  });
}

/** The path in use counts as dead. */
export function reportDeadPath(
  home: ReportingHome,
  step: Step,
  { address, device, gateway, family }: CareOfCandidate,
): void {
  const fields = { careOfAddress: address, interface: device, gateway, family, atMs: step.now };
  home.node.count('path-dead');
  home.event(step, 'path-dead', 'warn', fields);
}

/** A round of Binding Updates was not answered. */
export function reportSilentHomeAgent(
  home: ReportingHome,
  step: Step,
  { target, careOfAddress }: UnansweredExchange,
): void {
  home.node.count('home-agent-silent');
  home.event(step, 'home-agent-silent', 'warn', {
    homeAgent: target?.address,
    homeAgentOuterAddress: target?.outerAddress,
    careOfAddress,
    atMs: step.now,
  });
}
