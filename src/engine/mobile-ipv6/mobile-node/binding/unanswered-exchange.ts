/** What an exchange reports when the home agent stays silent (RFC 6275 §11.8). */
import type { IpAddress } from '#base/ip.ts';
import type { HomeAgentTarget } from '../home/home-agent-addresses.ts';

/** An exchange that was not answered; `target` is that of the last transmission. */
export interface UnansweredExchange {
  readonly target: HomeAgentTarget | undefined;
  readonly careOfAddress: IpAddress;
}
