/**
 * Takes the answers to queries for the home agent's name, and repeats queries that failed.
 *
 * RFC 5026 §5.1.1;  RFC 6275 §11.7.1 the home agent's next address
 */
import type { IpAddress } from '#base/ip.ts';
import { after, type Monotonic } from '#base/time.ts';
import { Timers } from '#engine/common/timers.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { ExchangeHome } from '#engine/mobile-ipv6/mobile-node/binding/exchange.ts';
import type { HomeTimer } from '#engine/mobile-ipv6/mobile-node/timers.ts';

/** The registration or de-registration that uses the home agent's address. */
interface AddressUser {
  /** The home agent has another address: a Binding Update under way is sent there. */
  followMovedHomeAgent(step: Step): void;
}

/** The part of the node's attachment that resolution depends on. */
interface ResolvingAttachment {
  readonly phase: string;
  readonly current:
    | (AddressUser & {
        /** Continues with a refusal that awaited the resolution; says whether there was one. */
        resumeAfterResolution(step: Step): boolean;
      })
    | undefined;
  readonly homeStay: AddressUser | undefined;
  assess(step: Step): void;
}

export class HomeAgentResolution {
  readonly #home: ExchangeHome;
  readonly #attachment: ResolvingAttachment;
  readonly #timers = new Timers<HomeTimer>();

  constructor(home: ExchangeHome, attachment: ResolvingAttachment) {
    this.#home = home;
    this.#attachment = attachment;
  }

  /** A query has ended; without addresses it failed. */
  complete(step: Step, addresses: readonly IpAddress[], failure: string | undefined): void {
    const { homeAgents } = this.#home;
    const failed = addresses.length === 0;
    const changed = homeAgents.resolved(addresses);
    this.#report(step, failed, failure);
    this.#timers.clear('resolve-retry');
    if (changed) {
      this.#home.persist(step);
      this.#attachment.assess(step);
    }
    if (this.#attachment.current?.resumeAfterResolution(step) === true) return;
    // Addresses of a family that this network does not have are as useless as none.
    if (failed || this.#attachment.phase === 'resolving') {
      this.#scheduleRetry(step);
      return;
    }
    homeAgents.resetRetry();
    const { current, homeStay } = this.#attachment;
    if (changed) (current ?? homeStay)?.followMovedHomeAgent(step);
  }

  #report(step: Step, failed: boolean, failure: string | undefined): void {
    const { homeAgents, node } = this.#home;
    node.count(failed ? 'name-not-resolved' : 'name-resolved');
    if (failed)
      this.#home.event(step, 'home-agent-not-resolved', 'warn', { name: homeAgents.name, failure });
  }

  #scheduleRetry({ now }: Step): void {
    const { homeAgents } = this.#home;
    if (!homeAgents.resolving)
      this.#timers.set('resolve-retry', after(now, homeAgents.nextRetryMs()));
  }

  deadline(): Monotonic {
    return this.#timers.deadline();
  }

  handleTimer(step: Step): void {
    if (this.#timers.due(step.now) === 'resolve-retry') this.#home.homeAgents.resolve(step);
  }

  stopRetries(): void {
    this.#timers.clearAll();
  }
}
