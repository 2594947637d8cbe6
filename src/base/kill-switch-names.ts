/**
 * Names by which the kill switch of a stopped daemon is found on the host, each with the daemon's
 * name.
 */

/** Begins the name of the nftables table that outlives the daemon. */
export const KILL_SWITCH_TABLE = 'sojourn-killswitch-';
/** Begins the name of the table that ends with the daemon. */
export const KILL_SWITCH_GUARD = 'sojourn-killguard-';
/** Ends the name of the file that closes the kill switch at boot. */
export const KILL_SWITCH_FILE = '-killswitch.nft';
