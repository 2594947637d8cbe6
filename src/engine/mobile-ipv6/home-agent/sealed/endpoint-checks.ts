/**
 * Sealed data that came from another endpoint than its tunnel's: the tunnel follows its mobile node
 * when the node answers there, such as after a NAT gave it another port.
 *
 * No RFC: docs/reference/sealed-mobile-ipv6.md §5 (roaming)
 */
import type { Monotonic } from '#base/time.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import type { Binding } from '#engine/mobile-ipv6/home-agent/bindings/binding.ts';
import { causesTunnelLoop } from '#engine/mobile-ipv6/home-agent/bindings/tunnel-loop.ts';
import type { HomeAgentCounters } from '#engine/mobile-ipv6/home-agent/reasons.ts';
import type { Session } from '#engine/sealed/session.ts';
import type { ReceivedMessage } from '#engine/sealed/session-listener.ts';
import type { Sessions } from '#engine/sealed/sessions.ts';
import { sameRemoteEndpoint } from '#engine/sealed/udp-path.ts';
import { LIFETIME_UNIT_SECONDS } from '#wire/mobility/message.ts';

/** Data of a path that the node has left may be late by this much. */
const LATE_DATA_MS = 1000;
const ATTEMPT_MS = 2000;

type LoopContext = Parameters<typeof causesTunnelLoop>[0];

interface EndpointContext {
  readonly policy: LoopContext['policy'];
  readonly bindings: LoopContext['bindings'] & {
    relocate(step: Step, binding: Binding, endpoint: Binding['tunnel']['endpoint']): void;
  };
  readonly counters: HomeAgentCounters;
}

export class EndpointChecks {
  readonly #context: EndpointContext;
  readonly #sessions: Sessions<UdpPath>;
  /** When the node of a session was asked for an answer. */
  readonly #asked = new WeakMap<Session, Monotonic>();

  constructor(context: EndpointContext, sessions: Sessions<UdpPath>) {
    this.#context = context;
    this.#sessions = sessions;
  }

  /** Asks at the other endpoint, unless a move explains the data, or a question is under way. */
  ask(step: Step, session: Session, binding: Binding, udpPath: UdpPath): void {
    if (this.#asked.has(session)) return;
    if (step.now - acceptedAt(binding) < LATE_DATA_MS) return;
    this.#asked.set(session, step.now);
    this.#context.counters.count('endpoint-checked');
    const request = { type: 'keep-alive', options: [], udpPath, attemptMs: ATTEMPT_MS } as const;
    this.#sessions.request(step, session, request, udpPath);
  }

  /** The answer, or that there is none; says whether the tunnel followed. */
  answered(
    step: Step,
    session: Session,
    binding: Binding | undefined,
    { asked, answer }: { readonly asked: UdpPath; readonly answer: ReceivedMessage | undefined },
  ): boolean {
    const askedAt = this.#asked.get(session);
    this.#asked.delete(session);
    const { bindings, counters, policy } = this.#context;
    if (answer === undefined || binding === undefined || askedAt === undefined) return false;
    if (!sameRemoteEndpoint(answer.udpPath, asked)) return false;
    // A Binding Update says more, and the node may have answered before it.
    if (acceptedAt(binding) >= askedAt) return false;
    const { local, localPort, remote, remotePort } = asked;
    const { endpoint } = binding.tunnel;
    if (causesTunnelLoop({ policy, bindings }, binding, binding.mobileNode, remote)) {
      counters.count('endpoint-refused');
      return false;
    }
    counters.count('endpoint-moved');
    bindings.relocate(step, binding, { ...endpoint, local, localPort, remote, remotePort });
    return true;
  }
}

/** When the last Binding Update was accepted. */
function acceptedAt({ expiresAt, lifetimeUnits }: Binding): number {
  return expiresAt - lifetimeUnits * LIFETIME_UNIT_SECONDS * 1000;
}
