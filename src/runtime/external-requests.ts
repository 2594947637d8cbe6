/**
 * Questions that are no packets: an engine asks the resolver for addresses and the account server
 * for credentials, and the stub resolver asks the engine for names. Each question gets one answer,
 * in a later turn.
 */
import type { JsonObject } from '#base/json.ts';
import type { ResolvedInput } from '#engine/contract/input.ts';
import type { LoginInput, NameAnswer, QueryInput } from '#engine/contract/ntmobile.ts';
import type { Output } from '#engine/contract/output.ts';
import type { LoginPort, NamePort, ResolverPort } from './ports.ts';

type ExternalRequestOutput = Extract<Output, { readonly kind: 'resolve' | 'login' | 'answer' }>;

export interface ExternalRequestPorts {
  readonly resolver?: ResolverPort;
  readonly login?: LoginPort;
  readonly names?: NamePort;
}

const NO_LOGIN: LoginInput['outcome'] = {
  granted: false,
  reason: 'no-account-server',
  message: 'no account server is configured',
  final: true,
};

export class ExternalRequests {
  readonly #ports: ExternalRequestPorts;
  readonly #answered: (input: ResolvedInput | LoginInput | QueryInput) => void;
  readonly #failed: (error: unknown) => void;
  readonly #resolving = new Set<string>();
  readonly #queries = new Map<number, (answer: NameAnswer) => void>();
  #lastQuery = 0;

  /** `failed` is called when a port rejects, which it must not. */
  constructor(
    ports: ExternalRequestPorts,
    answered: (input: ResolvedInput | LoginInput | QueryInput) => void,
    failed: (error: unknown) => void,
  ) {
    this.#ports = ports;
    this.#answered = answered;
    this.#failed = failed;
  }

  start(): void {
    this.#ports.names?.onQuery((name, unreachable, respond) => {
      this.#lastQuery += 1;
      this.#queries.set(this.#lastQuery, respond);
      this.#answered({ kind: 'query', id: this.#lastQuery, name, unreachable });
    });
  }

  /** Counters of the ports, by port. */
  counters(): JsonObject {
    const names = this.#ports.names?.counters?.();
    return names === undefined ? {} : { names };
  }

  take(output: ExternalRequestOutput): void {
    switch (output.kind) {
      case 'resolve':
        this.#resolve(output.name);
        break;
      case 'login':
        this.#logIn(output.renewalToken);
        break;
      case 'answer':
        this.#queries.get(output.id)?.(output.answer);
        this.#queries.delete(output.id);
        break;
    }
  }

  /** Answers the queries that still wait, with a failure. */
  stop(): void {
    const waiting = [...this.#queries.values()];
    this.#queries.clear();
    for (const respond of waiting) respond({ outcome: 'failure' });
  }

  #resolve(name: string): void {
    if (this.#resolving.has(name)) return;
    this.#resolving.add(name);
    const unanswered = { addresses: [], failure: 'no resolver' };
    const resolution = this.#ports.resolver?.resolve(name) ?? Promise.resolve(unanswered);
    resolution.then(
      (resolved) => {
        this.#resolving.delete(name);
        this.#answered({ kind: 'resolved', name, ...resolved });
      },
      (thrown: unknown) => this.#failed(thrown),
    );
  }

  #logIn(renewalToken: string | undefined): void {
    const login = this.#ports.login?.login(renewalToken) ?? Promise.resolve(NO_LOGIN);
    login.then(
      (outcome) => this.#answered({ kind: 'logged-in', outcome }),
      (thrown: unknown) => this.#failed(thrown),
    );
  }
}
