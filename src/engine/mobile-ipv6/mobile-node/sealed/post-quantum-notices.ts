/**
 * What the operator is told about the post-quantum keys of a home: each change once.
 *
 * No RFC: docs/reference/sealed-mobile-ipv6.md §3.1
 */
import type { JsonObject } from '#base/json.ts';
import type { Step } from '#engine/contract/engine.ts';
import { offersPostQuantum, type PostQuantumMode } from '#engine/sealed/post-quantum-agreement.ts';
import type { PostQuantumFailure } from '#engine/sealed/session-listener.ts';
import {
  findNtmobileOption,
  type NtmobileOption,
  PostQuantumFlag,
} from '#wire/ntmobile/options.ts';

const FAILURES: Readonly<Record<PostQuantumFailure, string>> = {
  unanswered: 'no answer; it is repeated every 30 s at most',
  refused: 'the home agent refused the key',
  unconfirmed: 'the home agent computed other keys',
};

export class PostQuantumNotices {
  readonly #home: string;
  readonly #mode: PostQuantumMode;
  #last: string | undefined;

  constructor(home: string, mode: PostQuantumMode) {
    this.#home = home;
    this.#mode = mode;
  }

  /** The home agent answered a handshake with these options. */
  answered(step: Step, options: readonly NtmobileOption[]): void {
    if (this.#mode === 'off') {
      const flags = findNtmobileOption(options, 'post-quantum')?.flags ?? 0;
      if ((flags & PostQuantumFlag.required) !== 0)
        this.#tell(step, 'post-quantum-missing', {
          why: 'the home agent requires post-quantum keys, and postQuantum is off',
        });
    } else if (!offersPostQuantum(options)) {
      const effect =
        this.#mode === 'required' ? 'no data flows' : 'data is protected classically only';
      this.#tell(step, 'post-quantum-missing', {
        why: `the home agent offers no post-quantum keys: ${effect}`,
      });
    }
  }

  established(step: Step): void {
    this.#tell(step, 'post-quantum-established', {});
  }

  failed(step: Step, why: PostQuantumFailure): void {
    this.#tell(step, 'post-quantum-failed', { why: FAILURES[why] });
  }

  #tell(
    { out }: Step,
    name: 'post-quantum-missing' | 'post-quantum-established' | 'post-quantum-failed',
    fields: JsonObject,
  ): void {
    const news = `${name} ${String(fields['why'])}`;
    if (news === this.#last) return;
    this.#last = news;
    const level = name === 'post-quantum-established' ? 'info' : 'warn';
    out.push({ kind: 'event', event: { name, level, fields: { home: this.#home, ...fields } } });
  }
}
