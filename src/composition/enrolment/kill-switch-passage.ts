/**
 * A way through the kill switch of a former configuration, for the datagrams of an enrolment.
 *
 * The kill switch lets packets with the daemon's mark out, to its home agents. The sockets of the
 * enrolment get the same mark, and a rule in each closed kill switch of the host lets them reach
 * the home agent of the line until the exchange ends, or a signal ends this program. A host without
 * a closed kill switch, or without the right to change it, has no passage and needs none.
 */
import { spawnSync } from 'node:child_process';
import { type IpAddress, isIpv6 } from '#base/ip.ts';
import { KILL_SWITCH_TABLE } from '#base/kill-switch-names.ts';

const DEADLINE_MS = 5_000;
/** Those that end a command at a terminal, in a session or in a unit. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const COMMENT = `sojourn enrolment ${process.pid}`;

interface Destination {
  readonly addresses: readonly IpAddress[];
  readonly port: number;
}

export class KillSwitchPassage implements Disposable {
  /** Firewall mark that the sockets need; undefined: none. */
  readonly mark: number | undefined;
  readonly #tables: readonly string[];
  readonly #onSignal = (signal: NodeJS.Signals): void => {
    this[Symbol.dispose]();
    // Without a listener, the signal ends the program as usual.
    process.kill(process.pid, signal);
  };

  private constructor(tables: readonly string[], mark?: number) {
    this.#tables = tables;
    this.mark = mark;
    if (tables.length > 0) for (const signal of SIGNALS) process.on(signal, this.#onSignal);
  }

  /** In force when it returns. */
  static open({ addresses, port }: Destination): KillSwitchPassage {
    const closed = closedTables();
    // A socket has one mark. A rule for it opens the table of a daemon with another mark too.
    const mark = closed.map(markOf).find((found) => found !== undefined);
    if (mark === undefined) return new KillSwitchPassage([]);
    const passage = new KillSwitchPassage(closed, Number(mark));
    // One transaction for each table: a daemon may open its own meanwhile.
    for (const table of closed) {
      const inserts = addresses.map(
        (address) =>
          `insert rule inet ${table} output meta mark ${mark} ` +
          `${isIpv6(address) ? 'ip6' : 'ip'} daddr ${address} udp dport ${port} accept ` +
          `comment "${COMMENT}"\n`,
      );
      nft(['-f', '-'], inserts.join(''));
    }
    return passage;
  }

  [Symbol.dispose](): void {
    for (const signal of SIGNALS) process.off(signal, this.#onSignal);
    for (const table of this.#tables) close(table);
  }
}

/** By their comment: the daemon may have made the table again meanwhile. */
function close(table: string): void {
  const rules = nft(['-a', 'list', 'chain', 'inet', table, 'output']) ?? '';
  const deletions = rules.split('\n').flatMap((line) => {
    const [, handle] = /# handle (\d+)$/.exec(line) ?? [];
    if (handle === undefined || !line.includes(`"${COMMENT}"`)) return [];
    return [`delete rule inet ${table} output handle ${handle}\n`];
  });
  nft(['-f', '-'], deletions.join(''));
}

function closedTables(): readonly string[] {
  const tables = nft(['list', 'tables', 'inet'])?.split('\n') ?? [];
  const names = tables.map((line) => line.split(' ')[2] ?? '');
  return names.filter((name) => name.startsWith(KILL_SWITCH_TABLE));
}

/** As nft writes it. */
function markOf(table: string): string | undefined {
  const rules = nft(['list', 'chain', 'inet', table, 'output']) ?? '';
  return /meta mark (0x[0-9a-f]+) /.exec(rules)?.[1];
}

/** Undefined if nft is missing or refuses. */
function nft(argv: readonly string[], input = ''): string | undefined {
  const { status, stdout } = spawnSync('nft', argv, {
    ...{ input, encoding: 'utf8', timeout: DEADLINE_MS },
  });
  return status === 0 ? stdout : undefined;
}
