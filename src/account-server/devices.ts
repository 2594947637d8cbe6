/**
 * The stored devices of accounts, with their virtual IPv4 addresses and renewal tokens. Times are
 * seconds since 1970-01-01.
 */
import { bytesOfIpv4, type Ipv4Address, ipv4FromBytes, isIpv4, type Prefix } from '#base/ip.ts';
import { nodeIdOf } from '#crypto/node-credential.ts';
import type { AccountDatabase } from './account-database.ts';
import { integer, isNull, octets, type Row, text } from './rows.ts';

export interface Device {
  readonly id: number;
  readonly account: number;
  /** Empty if the device has the account's own name. */
  readonly label: string;
  /** X25519. */
  readonly publicKey: Uint8Array;
  readonly nodeId: Uint8Array;
  readonly virtualIpv4: Ipv4Address;
  readonly enrolledAt: number;
  readonly lastSeenAt: number;
  /** The timestamp of the last accepted proof, in milliseconds. */
  readonly lastProofMs: number;
  /** The expiry of its last credential. */
  readonly credentialUntil: number;
  readonly renewalHash: Uint8Array;
  readonly renewalUntil: number;
  /** The previous token while it is valid. */
  readonly formerHash: Uint8Array | undefined;
  readonly formerUntil: number;
}

type NewDevice = Pick<Device, 'account' | 'label' | 'publicKey' | 'virtualIpv4' | 'enrolledAt'>;
/** The columns that a login or a renewal changes. */
export type DeviceUpdate = Omit<Device, 'account' | 'publicKey' | 'nodeId' | 'enrolledAt'>;

export class Devices {
  readonly #database: AccountDatabase;

  constructor(database: AccountDatabase) {
    this.#database = database;
  }

  list(): readonly Device[] {
    return this.#database.all('SELECT * FROM devices ORDER BY account, label').map(deviceFromRow);
  }

  count(): number {
    const row = this.#database.one('SELECT count(*) AS devices FROM devices');
    return row === undefined ? 0 : integer(row, 'devices');
  }

  ofAccount(account: number): readonly Device[] {
    return this.#database
      .all('SELECT * FROM devices WHERE account = ? ORDER BY label', account)
      .map(deviceFromRow);
  }

  findByPublicKey(publicKey: Uint8Array): Device | undefined {
    return this.#first('SELECT * FROM devices WHERE public_key = ?', publicKey);
  }

  findByNodeId(nodeId: Uint8Array): Device | undefined {
    return this.#first('SELECT * FROM devices WHERE node_id = ?', nodeId);
  }

  /** `hash` is that of the current or the previous renewal token. */
  findByRenewalHash(hash: Uint8Array): Device | undefined {
    return this.#first('SELECT * FROM devices WHERE renewal_hash = ?1 OR former_hash = ?1', hash);
  }

  /** Whether another key has the interface identifier that is derived from this key. */
  isInterfaceIdTaken(publicKey: Uint8Array): boolean {
    return (
      this.#first('SELECT * FROM devices WHERE interface_id = ?', interfaceIdOf(publicKey)) !==
      undefined
    );
  }

  /** Returns the id. The caller completes the row with `update` in the same transaction. */
  add({ account, label, publicKey, virtualIpv4, enrolledAt }: NewDevice): number {
    const nodeId = nodeIdOf(publicKey);
    const row = this.#database.one(
      `INSERT INTO devices (account, label, public_key, node_id, interface_id, virtual_ipv4,
         enrolled_at, last_seen_at, last_proof_ms, credential_until, renewal_hash, renewal_until)
       VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0, 0, ?, 0) RETURNING id`,
      ...[
        account,
        label,
        publicKey,
        nodeId,
        interfaceIdOf(publicKey),
        numberOf(virtualIpv4),
        enrolledAt,
        nodeId,
      ],
    );
    return row === undefined ? 0 : integer(row, 'id');
  }

  update(device: DeviceUpdate): void {
    const { id, label, virtualIpv4, lastSeenAt, lastProofMs, credentialUntil } = device;
    const { renewalHash, renewalUntil, formerHash, formerUntil } = device;
    this.#database.run(
      `UPDATE devices SET label = ?, virtual_ipv4 = ?, last_seen_at = ?, last_proof_ms = ?,
         credential_until = ?, renewal_hash = ?, renewal_until = ?, former_hash = ?,
         former_until = ? WHERE id = ?`,
      ...[label, numberOf(virtualIpv4), lastSeenAt, lastProofMs, credentialUntil],
      ...[renewalHash, renewalUntil, formerHash ?? null, formerUntil, id],
    );
  }

  /** Holds the address until the last credential expires, so that no other device gets it. */
  remove(device: Device): void {
    this.hold(device.virtualIpv4, device.credentialUntil);
    this.#database.run('DELETE FROM devices WHERE id = ?', device.id);
  }

  removeAll(account: number): void {
    for (const device of this.ofAccount(account)) this.remove(device);
  }

  hold(address: Ipv4Address, until: number): void {
    this.#database.run(
      'INSERT OR REPLACE INTO held_addresses VALUES (?, ?)',
      numberOf(address),
      until,
    );
  }

  /**
   * A free address of the prefix, without its first and last address; undefined if there is none.
   * Addresses above the highest one in use are preferred, so that a released address is reused as
   * late as possible.
   */
  freeAddress(prefix: Prefix, now: number): Ipv4Address | undefined {
    if (!isIpv4(prefix.address)) return undefined;
    this.#database.run('DELETE FROM held_addresses WHERE until <= ?', now);
    const first = numberOf(prefix.address) + 1;
    const last = numberOf(prefix.address) + 2 ** (32 - prefix.length) - 2;
    const used = `SELECT virtual_ipv4 AS used FROM devices WHERE virtual_ipv4 BETWEEN ?1 AND ?2
      UNION ALL SELECT virtual_ipv4 FROM held_addresses WHERE virtual_ipv4 BETWEEN ?1 AND ?2`;
    const row = this.#database.one(
      `SELECT coalesce(max(used), ?1 - 1) + 1 AS next FROM (${used})`,
      first,
      last,
    );
    const next = row === undefined ? first : integer(row, 'next');
    if (next <= last) return addressFromNumber(next);
    const gap = this.#database.one(
      `WITH taken AS (SELECT ?1 - 1 AS used UNION ALL ${used})
       SELECT min(used) + 1 AS next FROM taken
       WHERE used < ?2 AND used + 1 NOT IN (SELECT used FROM taken)`,
      first,
      last,
    );
    return gap === undefined || isNull(gap, 'next')
      ? undefined
      : addressFromNumber(integer(gap, 'next'));
  }

  #first(sql: string, value: Uint8Array): Device | undefined {
    const row = this.#database.one(sql, value);
    return row === undefined ? undefined : deviceFromRow(row);
  }
}

function interfaceIdOf(publicKey: Uint8Array): Uint8Array {
  return nodeIdOf(publicKey).subarray(0, 8);
}

function numberOf(address: Ipv4Address): number {
  return bytesOfIpv4(address).reduce((number, octet) => number * 256 + octet, 0);
}

function addressFromNumber(number: number): Ipv4Address {
  return ipv4FromBytes(Uint8Array.of(number >>> 24, number >>> 16, number >>> 8, number));
}

function deviceFromRow(row: Row): Device {
  return {
    id: integer(row, 'id'),
    account: integer(row, 'account'),
    label: text(row, 'label'),
    publicKey: octets(row, 'public_key'),
    nodeId: octets(row, 'node_id'),
    virtualIpv4: addressFromNumber(integer(row, 'virtual_ipv4')),
    enrolledAt: integer(row, 'enrolled_at'),
    lastSeenAt: integer(row, 'last_seen_at'),
    lastProofMs: integer(row, 'last_proof_ms'),
    credentialUntil: integer(row, 'credential_until'),
    renewalHash: octets(row, 'renewal_hash'),
    renewalUntil: integer(row, 'renewal_until'),
    formerHash: isNull(row, 'former_hash') ? undefined : octets(row, 'former_hash'),
    formerUntil: integer(row, 'former_until'),
  };
}
