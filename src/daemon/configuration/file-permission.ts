/** The remedy for a file that the daemon may not read. */
import { userInfo } from 'node:os';

/**
 * Undefined unless `thrown`, or its cause, is that this process may not read a file. Root can read
 * files that the daemon's own user cannot, so the remedy names that user.
 */
export function permissionRemedy(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error)) return undefined;
  if (!('code' in thrown && (thrown.code === 'EACCES' || thrown.code === 'EPERM')))
    return permissionRemedy(thrown.cause);
  const file = 'path' in thrown ? String(thrown.path) : 'FILE';
  const user = ownUser();
  return (
    `let the user ${user} read it and search its directory: chgrp ${user} ${file} && ` +
    `chmod g+r ${file}`
  );
}

/** By number for a user without an entry, as in some containers. */
export function ownUser(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.());
  }
}
