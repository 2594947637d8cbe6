/**
 * The home agent engine: one entry, one deadline.
 *
 * RFC 6275 §10.1-10.4 and the parts of §9 they refer to;  RFC 5555 §4.5;  RFC 4285;  RFC 3963 §6.2
 * Left out: home agents list and discovery (RFC 6275 §10.5), mobile prefix discovery (§10.6),
 * several care-of addresses (RFC 5648).
 */
import { unreachable } from '#base/assert.ts';
import { earliest, type Monotonic } from '#base/time.ts';
import type { Counters } from '#engine/common/counters.ts';
import type { Engine, RandomBytes, Reconfigurable } from '#engine/contract/engine.ts';
import type { Output } from '#engine/contract/output.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import { storeAllBindings } from './bindings/binding-store.ts';
import { finishRestore, restoreRecord } from './bindings/restart-recovery.ts';
import type { HomeAgentConfiguration } from './configuration.ts';
import { setDesiredStatic } from './desired-state.ts';
import {
  type DadListener,
  receiveOnLink,
  runHomeLinkTimers,
  setHomeLinkInterfaces,
} from './home-link/home-link.ts';
import type { HomeAgentInput } from './input.ts';
import { handleOperatorCommand } from './operator-commands.ts';
import { reconfigure } from './reconfigure.ts';
import { refuse } from './registration/binding-acknowledgement.ts';
import { runBindingTimers } from './registration/binding-refresh-request.ts';
import { completeAfterDad } from './registration/binding-update-checks.ts';
import { receive } from './registration/reception.ts';
import { HomeAgentState } from './state.ts';

const OVER_IPV6 = { kind: 'ipv6' } as const;

export type HomeAgent = Engine<HomeAgentInput> &
  Reconfigurable<HomeAgentConfiguration> & { readonly counters: Counters };

/** Never throws for a peer's fault; `clock` must be the first input. */
export function createHomeAgent(
  configuration: HomeAgentConfiguration,
  random: RandomBytes,
): HomeAgent {
  return new HomeAgentEngine(configuration, random);
}

class HomeAgentEngine implements HomeAgent {
  readonly #state: HomeAgentState;

  constructor(configuration: HomeAgentConfiguration, random: RandomBytes) {
    this.#state = new HomeAgentState(configuration, random);
  }

  get counters(): Counters {
    return this.#state.counters.counters;
  }

  deadline(): Monotonic {
    const { bindingTimers, homeLink } = this.#state;
    const bindings = bindingTimers.deadline();
    return homeLink === undefined ? bindings : earliest(bindings, homeLink.deadline());
  }

  reconfigure(now: Monotonic, configuration: HomeAgentConfiguration, out: Output[]): void {
    reconfigure(this.#state, now, configuration, out);
  }

  step(now: Monotonic, input: HomeAgentInput, out: Output[]): void {
    const state = this.#state;
    switch (input.kind) {
      case 'datagram':
        this.#receive(now, input.path, input.packet, out);
        break;
      case 'tick':
      case 'stop':
        break;
      case 'clock':
        if (state.setClock(input.offsetMs)) storeAllBindings(state, now, out);
        return;
      case 'record':
        restoreRecord(state, now, input.table, input.key, input.value, out);
        return;
      case 'restored':
        finishRestore(state, now, out);
        setDesiredStatic(state.configuration, out);
        break;
      case 'network':
        setHomeLinkInterfaces(state.homeLink, input.interfaces);
        break;
      case 'request':
        handleOperatorCommand(state, now, input, out);
        break;
      default:
        unreachable(input);
    }
    runBindingTimers(state, now, out);
    if (state.homeLink !== undefined)
      runHomeLinkTimers(state.homeLink, now, this.#detectionEnd(now, out), out);
  }

  #receive(now: Monotonic, path: PacketPath, packet: Uint8Array, out: Output[]): void {
    const state = this.#state;
    if (path.kind === 'ipv6' || path.kind === 'udp') receive(state, now, path, packet, out);
    // Of a node behind a mobile router of ours: the answer finds its way into the tunnel by itself.
    else if (path.kind === 'tunnel') receive(state, now, OVER_IPV6, packet, out);
    else if (path.kind === 'link' && state.homeLink !== undefined) {
      receiveOnLink(state, state.homeLink, path, packet, this.#detectionEnd(now, out), out);
    } else state.count('unexpected-path');
  }

  #detectionEnd(now: Monotonic, out: Output[]): DadListener {
    const state = this.#state;
    return {
      unique: ({ request, sender }) => completeAfterDad(state, now, request, sender, out),
      duplicate: ({ request, sender }) => {
        const status = 'duplicate-address-detection-failed';
        refuse(state, now, request, sender, { status, reason: 'duplicate-address-detected' }, out);
      },
    };
  }
}
