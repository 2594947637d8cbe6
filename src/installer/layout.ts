/** Where what is installed lies. */
import { join } from 'node:path';

export interface Layout {
  readonly prefix: string;
  /**
   * Code, libraries, the addon and Node itself; one directory, so that nothing of it is on
   * anybody's search path.
   */
  readonly code: string;
  readonly commands: string;
  /** Of the daemons themselves, which their units start. */
  readonly daemons: string;
  readonly units: string;
  readonly users: string;
  readonly stateDirectories: string;
  /** Of polkit: what daemons may ask other services for. */
  readonly policies: string;
  readonly manual: string;
  readonly documents: string;
  readonly bashCompletions: string;
  readonly zshFunctions: string;
}

/** Configuration is the operator's: the directory is made, nothing in it is touched. */
export const CONFIGURATION_DIRECTORY = '/etc/sojourn';

/** polkit of Debian 12 looks below no other prefix. */
const POLICIES = 'polkit-1/rules.d';
/** Prefixes below which systemd looks for units and users by itself. */
const KNOWN_TO_SYSTEMD: ReadonlySet<string> = new Set(['/usr', '/usr/local']);

/** `/usr`: where a package of the distribution puts things. `prefix` is absolute. */
export function layoutOf(prefix: string): Layout {
  const share = join(prefix, 'share');
  const systemd = KNOWN_TO_SYSTEMD.has(prefix) ? join(prefix, 'lib') : '/etc';
  return {
    prefix,
    code: join(prefix, 'lib/sojourn'),
    commands: join(prefix, 'bin'),
    daemons: join(prefix, 'sbin'),
    units: join(systemd, 'systemd/system'),
    users: join(systemd, 'sysusers.d'),
    stateDirectories: join(systemd, 'tmpfiles.d'),
    policies: prefix === '/usr' ? join(share, POLICIES) : join('/etc', POLICIES),
    manual: join(share, 'man'),
    documents: join(share, 'doc/sojourn'),
    bashCompletions: join(share, 'bash-completion/completions'),
    zshFunctions: join(share, prefix === '/usr' ? 'zsh/vendor-completions' : 'zsh/site-functions'),
  };
}
