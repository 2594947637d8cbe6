/** Retries of a login. docs/reference/ntmobile.md §2.2 */
import { describe, expect, it } from 'vitest';
import { monotonic } from '#base/time.ts';
import type { LoginInput } from '#engine/contract/ntmobile.ts';
import type { Output } from '#engine/contract/output.ts';
import { Login } from '#engine/ntmobile/node/login.ts';

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
