/**
 * Commands of the control socket that wait for the engine's reply, and the driver's additions to
 * the reply: its own answer to some commands, the plane's traffic counters to lists of tunnels and
 * legs, and what the host has not applied yet.
 */
import type { JsonObject, JsonValue } from '#base/json.ts';
import type { PlanePort } from './ports.ts';

type Respond = (ok: boolean, value: JsonValue) => void;
type Counters = Readonly<Record<string, number>>;

interface PendingCommand {
  readonly command: string;
  readonly respond: Respond;
}

/** For a command that lists tunnels or legs: the plane's counters of one row. */
const TRAFFIC: Readonly<
  Record<string, (plane: PlanePort, row: JsonObject) => Counters | undefined>
> = {
  tunnels: (plane, { id }) => (typeof id === 'number' ? plane.tunnelCounters(id) : undefined),
  legs: (plane, { index }) =>
    typeof index === 'number' ? plane.relayLegCounters(index) : undefined,
};

/** Members of answers that say what the engine desires, by the kind of their item. */
const DESIRED_MEMBERS: Readonly<
  Record<string, { readonly kind: string; readonly until: Readonly<Record<string, string>> }>
> = {
  killSwitch: { kind: 'kill-switch', until: { closed: 'closing', lifted: 'opening' } },
};

export class OperatorCommands {
  readonly #plane: PlanePort;
  readonly #own: Readonly<Record<string, () => JsonObject>>;
  readonly #isPending: (kind: string) => boolean;
  readonly #pending = new Map<number, PendingCommand>();
  #lastId = 0;

  /**
   * `own`: the driver's part of the answer to a command. `isPending`: whether the host refused an
   * item of that kind and has not applied it since.
   */
  constructor(
    plane: PlanePort,
    own: Readonly<Record<string, () => JsonObject>>,
    isPending: (kind: string) => boolean,
  ) {
    this.#plane = plane;
    this.#own = own;
    this.#isPending = isPending;
  }

  /** The id for the engine's `request` input. */
  ask(command: string, respond: Respond): number {
    this.#lastId += 1;
    this.#pending.set(this.#lastId, { command, respond });
    return this.#lastId;
  }

  /** Hands the engine's reply on; false when no command waits for it. */
  reply(id: number, ok: boolean, desired: JsonValue): boolean {
    const value = this.#asApplied(desired);
    const pending = this.#pending.get(id);
    if (pending === undefined) return false;
    this.#pending.delete(id);
    const { command, respond } = pending;
    const trafficOf = TRAFFIC[command];
    const own = this.#own[command]?.();
    if (ok && trafficOf !== undefined && Array.isArray(value))
      respond(
        true,
        value.map((row) => withTraffic(row, trafficOf(this.#plane, row))),
      );
    else if (own === undefined) respond(ok, value);
    // An engine that does not know the command leaves it to the driver.
    else respond(true, { ...(ok && isObject(value) ? value : {}), ...own });
    return true;
  }

  /** The host may refuse what the engine desires. */
  #asApplied(value: JsonValue): JsonValue {
    if (!isObject(value)) return value;
    let applied = value;
    for (const [member, { kind, until }] of Object.entries(DESIRED_MEMBERS)) {
      const state = until[String(value[member])];
      if (state !== undefined && this.#isPending(kind)) applied = { ...applied, [member]: state };
    }
    return applied;
  }

  /** Takes the commands that wait, for the caller to refuse. */
  takeAll(): readonly Respond[] {
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    return pending.map(({ respond }) => respond);
  }
}

function withTraffic(row: JsonObject, traffic: Counters | undefined): JsonObject {
  return traffic === undefined ? row : { ...row, traffic };
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
