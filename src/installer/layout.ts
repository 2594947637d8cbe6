/** The directories of an installation. */
import { join } from 'node:path';

export interface Layout {
  readonly prefix: string;
  /**
   * Code, libraries, the addon and Node itself in one directory, outside any search path.
   */
  readonly code: string;
  readonly commands: string;
  /** The programs of the daemons, which their units start. */
  readonly daemons: string;
  readonly units: string;
  readonly users: string;
  readonly stateDirectories: string;
  /** Which devices systemd-networkd manages. */
  readonly networks: string;
  /** Which devices NetworkManager manages. */
  readonly networkManager: string;
  /** Rules of polkit: the requests to other services that daemons may make. */
  readonly policies: string;
  readonly manual: string;
  readonly documents: string;
  readonly bashCompletions: string;
  readonly zshFunctions: string;
}

/** The directory is made if it does not exist; its files belong to the operator. */
export const CONFIGURATION_DIRECTORY = '/etc/sojourn';

/** polkit of Debian 12 reads rules below /usr and /etc only. */
const POLICIES = 'polkit-1/rules.d';
/** Prefixes below which systemd finds units and users. */
const KNOWN_TO_SYSTEMD: ReadonlySet<string> = new Set(['/usr', '/usr/local']);

/** `/usr` gives the directories of a distribution's package. `prefix` is absolute. */
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
    networks: join(systemd, 'systemd/network'),
    networkManager: join(prefix === '/usr' ? '/usr/lib' : '/etc', 'NetworkManager/conf.d'),
    policies: prefix === '/usr' ? join(share, POLICIES) : join('/etc', POLICIES),
    manual: join(share, 'man'),
    documents: join(share, 'doc/sojourn'),
    bashCompletions: join(share, 'bash-completion/completions'),
    zshFunctions: join(share, prefix === '/usr' ? 'zsh/vendor-completions' : 'zsh/site-functions'),
  };
}
