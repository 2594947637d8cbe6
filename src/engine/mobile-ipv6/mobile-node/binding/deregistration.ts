/**
 * Removal of a binding at the home agent.
 *
 * RFC 6275 §11.5.5  from the home link;  §11.7.1 lifetime zero
 * RFC 6275 §10.3.2  the status that says that no binding exists
 * RFC 3963 §5.3     at a home agent that does not serve mobile routers
 */
import { unreachable } from '#base/assert.ts';
import type { Monotonic } from '#base/time.ts';
import type { Step } from '#engine/contract/engine.ts';
import { initialTimeoutMs } from '#engine/mobile-ipv6/common/binding-update-back-off.ts';
import { rejects } from '#wire/mobility/binding-status.ts';
import type { ReceivedAcknowledgement } from './acknowledgement.ts';
import { BindingExchange, type ExchangeHome } from './exchange.ts';
import type { DeregistrationOutcome, ExchangePurpose } from './retransmission-policy.ts';
import { meansNoBinding, reactionTo } from './status-reactions.ts';
import type { UpdateOrigin } from './update-origin.ts';

export class Deregistration {
  readonly exchange: BindingExchange;
  readonly #home: ExchangeHome;

  constructor(
    home: ExchangeHome,
    origin: UpdateOrigin,
    purpose: Exclude<ExchangePurpose, 'register'>,
  ) {
    this.#home = home;
    this.exchange = new BindingExchange(home, origin, purpose, {
      initialMs: initialTimeoutMs(true, home.node.configuration),
    });
  }

  deadline(): Monotonic {
    return this.exchange.timers.deadline();
  }

  /** The home agent has another address: sends the Binding Update there. */
  followMovedHomeAgent(step: Step): void {
    if (this.exchange.homeAgentMoved) this.exchange.transmit(step);
  }

  /** The outcome, once it is known. */
  receive(step: Step, received: ReceivedAcknowledgement): DeregistrationOutcome | undefined {
    const answer = this.exchange.receive(step, received);
    if (answer === undefined) return undefined;
    const { status } = answer.message;
    if (!rejects(status)) return { kind: 'confirmed', roundTripMs: step.now - answer.update.at };
    const reaction = reactionTo(status);
    if (reaction === 'resynchronize-sequence') this.exchange.resynchronizeSequence(step, answer);
    else if (reaction === 'resynchronize-clock') this.exchange.resynchronizeClock(step, answer);
    // After any other refusal the retransmission timer continues.
    else if (meansNoBinding(status)) return { kind: 'no-binding' };
    return undefined;
  }

  /** Handles the timer that is due first; gives the outcome, once it is known. */
  handleTimer(step: Step): DeregistrationOutcome | undefined {
    const name = this.exchange.timers.due(step.now);
    if (name === 'transmit') this.exchange.transmit(step);
    return name === 'retransmit' ? this.#retransmit(step) : undefined;
  }

  #retransmit(step: Step): DeregistrationOutcome | undefined {
    if (!this.#home.mayBeBound(step)) return { kind: 'unconfirmed' };
    const decision = this.exchange.handleTimeout(step);
    switch (decision.kind) {
      case 'give-up':
        return { kind: 'unconfirmed' };
      case 'next-round':
        if (decision.elsewhere) this.exchange.tryNextHomeAgent(step);
        break;
      case 'retransmit':
        break;
      default:
        unreachable(decision);
    }
    this.exchange.transmit(step);
    return undefined;
  }
}
