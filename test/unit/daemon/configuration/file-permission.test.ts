import { userInfo } from 'node:os';
import { describe, expect, it } from 'vitest';
import { permissionRemedy } from '#daemon/configuration/file-permission.ts';

describe('the remedy for a file that cannot be read', () => {
  const denied = Object.assign(new Error('EACCES'), { code: 'EACCES', path: '/etc/sojourn/key' });

  it('names the user and the file if a permission is missing', () => {
    const user = userInfo().username;
    const remedy =
      `let the user ${user} read it and search its directory: ` +
      `chgrp ${user} /etc/sojourn/key && chmod g+r /etc/sojourn/key`;
    expect(permissionRemedy(denied)).toBe(remedy);
    expect(permissionRemedy(new Error('the certificate', { cause: denied }))).toBe(remedy);
  });

  it('leaves another fault to the caller', () => {
    expect(permissionRemedy(Object.assign(new Error('ENOENT'), { code: 'ENOENT' }))).toBe(
      undefined,
    );
    expect(permissionRemedy('text')).toBe(undefined);
  });
});
