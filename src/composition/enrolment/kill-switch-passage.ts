/**
 * A way through the kill switch of a former configuration, for the datagrams of an enrolment.
 *
 * The kill switch lets packets with the daemon's mark out, to its home agents. The sockets of the
 * enrolment get the same mark, and a rule lets them reach the home agent of the line until the
 * exchange ends. A host without a closed kill switch, or without the right to change it, has no
 * passage and needs none.
 */
import { spawnSync } from 'node:child_process';
import { type IpAddress, isIpv6 } from '#base/ip.ts';
import { KILL_SWITCH_TABLE } from '#base/kill-switch-names.ts';

const DEADLINE_MS = 5_000;
const COMMENT = `sojourn enrolment ${process.pid}`;

interface Destination {
  readonly addresses: readonly IpAddress[];
  readonly port: number;
}

export class KillSwitchPassage implements Disposable {
  /** Firewall mark that the sockets need; undefined: none. */
  readonly mark: number | undefined;
  readonly #table: string | undefined;

  private constructor(table?: string, mark?: number) {
    this.#table = table;
    this.mark = mark;
  }

  /** In force when it returns. */
  static open({ addresses, port }: Destination): KillSwitchPassage {
    const table = closedTable();
    if (table === undefined) return new KillSwitchPassage();
    const rules = nft(['list', 'chain', 'inet', table, 'output']) ?? '';
    const [, mark] = /meta mark (0x[0-9a-f]+) /.exec(rules) ?? [];
    if (mark === undefined) return new KillSwitchPassage();
    const inserts = addresses.map(
      (address) =>
        `insert rule inet ${table} output meta mark ${mark} ` +
        `${isIpv6(address) ? 'ip6' : 'ip'} daddr ${address} udp dport ${port} accept ` +
        `comment "${COMMENT}"\n`,
    );
    nft(['-f', '-'], inserts.join(''));
    return new KillSwitchPassage(table, Number(mark));
  }

  [Symbol.dispose](): void {
    const table = this.#table;
    if (table === undefined) return;
    // By their comment: the daemon may have made the table again meanwhile.
    const rules = nft(['-a', 'list', 'chain', 'inet', table, 'output']) ?? '';
    const deletions = rules.split('\n').flatMap((line) => {
      const [, handle] = /# handle (\d+)$/.exec(line) ?? [];
      if (handle === undefined || !line.includes(`"${COMMENT}"`)) return [];
      return [`delete rule inet ${table} output handle ${handle}\n`];
    });
    nft(['-f', '-'], deletions.join(''));
  }
}

function closedTable(): string | undefined {
  const tables = nft(['list', 'tables', 'inet'])?.split('\n') ?? [];
  const names = tables.map((line) => line.split(' ')[2] ?? '');
  return names.find((name) => name.startsWith(KILL_SWITCH_TABLE));
}

/** Undefined if nft is missing or refuses. */
function nft(argv: readonly string[], input = ''): string | undefined {
  const { status, stdout } = spawnSync('nft', argv, {
    ...{ input, encoding: 'utf8', timeout: DEADLINE_MS },
  });
  return status === 0 ? stdout : undefined;
}
