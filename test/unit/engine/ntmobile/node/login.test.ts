/** Retries of a login. docs/reference/ntmobile.md §2.2 */
import { describe, expect, it } from 'vitest';
import { monotonic, wall } from '#base/time.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { LoginInput } from '#engine/contract/ntmobile.ts';
import type { Output } from '#engine/contract/output.ts';
import { Login } from '#engine/ntmobile/node/login.ts';
import { prefixOf } from '#test/sim/ntmobile/system.ts';

const GRANT = {
  ...{ credential: new Uint8Array(), renewalToken: '', coordinators: [], authorities: [] },
  ...{ systemPrefix: prefixOf('fd12:3456:789a::/48'), generalPrefixes: [], relayKeys: undefined },
  zone: 'nodes.example',
};

type Refused = Extract<LoginInput['outcome'], { readonly granted: false }>;

/** The outputs of a move after a refused login. */
function afterRefusal(refusal: Partial<Refused>): Output[] {
  const login = new Login();
  const out: Output[] = [];
  login.start({ now: monotonic(0), out });
  const outcome = {
    granted: false,
    reason: 'unreachable',
    message: 'no',
    final: false,
    ...refusal,
  } as const;
  login.completed({ now: monotonic(10), out }, { kind: 'logged-in', outcome });
  expect(out.map(({ kind }) => kind)).toEqual(['login', 'event']);
  const moved: Output[] = [];
  login.moved({ now: monotonic(10), out: moved });
  login.moved({ now: monotonic(10), out: moved });
  return moved;
}

describe('a node that moves after a failed login', () => {
  it('sends another login request at once, and only one', () => {
    expect(afterRefusal({})).toEqual([{ kind: 'login', renewalToken: undefined }]);
  });

  it('waits if the account server set a retry time or refused finally', () => {
    expect(afterRefusal({ retryAfterMs: 10_000 })).toEqual([]);
    expect(afterRefusal({ final: true })).toEqual([]);
  });
});

it('a node with a login in flight does not repeat it when it moves', () => {
  const login = new Login();
  const out: Output[] = [];
  login.start({ now: monotonic(0), out });
  login.moved({ now: monotonic(0), out });
  expect(out).toHaveLength(1);
});

describe('a node whose coordinator does not answer', () => {
  const DAY_MS = 86_400_000;
  const MINUTE_MS = 60_000;

  /** The times, in ms, of logins within the first day of a credential that one was granted at 0. */
  function loginsOf(events: (login: Login, now: number) => void): number[] {
    const login = new Login();
    login.setClockOffset(0);
    const grant = (now: number): void => {
      const notAfter = wall(now + DAY_MS);
      const outcome = { ...GRANT, granted: true, notAfter } as const;
      login.completed({ now: monotonic(now), out: [] }, { kind: 'logged-in', outcome });
    };
    grant(0);
    const logins: number[] = [];
    for (let now = 0; now < DAY_MS / 2; now += 1_000) {
      const out: Output[] = [];
      events(login, now);
      login.tick({ now: monotonic(now), out });
      if (out.some(({ kind }) => kind === 'login')) logins.push(now);
      if (out.some(({ kind }) => kind === 'login')) grant(now);
    }
    return logins;
  }
  const step = (now: number): Step => ({ now: monotonic(now), out: [] });

  it('renews its credential at most each ten minutes', () => {
    const logins = loginsOf((login, now) => {
      if (now >= 60 * MINUTE_MS && now < 72 * MINUTE_MS) login.coordinatorSilent(step(now), 0.5);
    });
    expect(logins).toEqual([60 * MINUTE_MS + 165_000, 70 * MINUTE_MS + 165_000]);
  });

  it('keeps its credential if the coordinator answers again soon', () => {
    const logins = loginsOf((login, now) => {
      if (now >= 60 * MINUTE_MS && now < 60 * MINUTE_MS + 20_000)
        login.coordinatorSilent(step(now), 0);
      if (now === 60 * MINUTE_MS + 20_000) login.coordinatorAnswers(step(now));
    });
    expect(logins).toEqual([]);
  });
});
