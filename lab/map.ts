/**
 * A diagram of the lab. Boxes are network namespaces; addresses are from documentation prefixes
 * and, behind NATs, private.
 */
export const MAP = `
  server6              server4             cn         one correspondent: 2001:db8:f:2::2,
  2001:db8:f:3::2      198.51.100.18       |          198.51.100.10; on its loopback 2001:db8:c::1,
       |                     |             |          203.0.113.193
  +----+---------------------+-------------+-----------+  core links: 2001:db8:f:INDEX::/64 and
  |                core (the internet)                 |  198.51.100.(4 x INDEX)/30; core has the
  |     name server 2001:db8:f::53, 198.51.100.253     |  first address; delay and loss are on the
  +-+-------+--------+--------+--------+----------+----+  links below the core, except home's
    | wan   | wan    | wan    | wan    | wan      | wan
  home    ar6 ar6b  ar4 ar4b  ds    nat-KIND   nat2-isp  carrier NAT (port-restricted), 10.77.0.0/24
    |       |        |        |        |          |
    |       |        |        |        |         nat2    home NAT (port-restricted)
    | home0 | lan    | lan    | lan    | lan      | lan
  ==+== ... ==+== ... ==+== ...   links: bridges in the namespace "fabric"
    :
    :  the cable of a node is put into one of them:  mn eth0 ---- mn-eth0
    :
  home link     2001:db8:100::/64   192.0.2.0/24     home: its router, the home agent's machine
                2001:db8:200::/64   203.0.113.0/25   virtual home network: routed to home
  ar6, ar6b     2001:db8:a::/64, 2001:db8:b::/64        IPv6 only
  ar4, ar4b     203.0.113.128/28, 203.0.113.144/28      IPv4 only, public
  ds, dsb       2001:db8:d::/64, 2001:db8:e::/64,       both
                203.0.113.160/28, 203.0.113.176/28
  NATs by mapping and filtering (RFC 4787): EI endpoint-independent, AD address-dependent, APD
  address- and port-dependent
  nat-eim       192.168.1.0/24      EI mapping, EI filtering     (full cone)
  nat-adf       192.168.2.0/24      EI mapping, AD filtering     (restricted cone)
  nat-prc       192.168.3.0/24      EI mapping, APD filtering    (port-restricted)
  nat-adm       192.168.6.0/24      AD mapping, APD filtering
  nat-sym       192.168.4.0/24      APD mapping, APD filtering   (symmetric)
  nat2          192.168.5.0/24      port-restricted behind port-restricted
  nat-KIND-b, nat2b   192.168.11.0/24 to 192.168.16.0/24   the same again, for a second node

  A mobile router is a node with a network of ordinary hosts behind it; other nodes can be plugged
  into its link as into any other:

  mr  eth0 ---- mr-eth0 : one of the links above
   | lan0
  ==+== mr-lan   2001:db8:500::/64   198.51.100.128/28, routed to home
    mr-a  mr-b                                     mr2 likewise: 2001:db8:501::/64,
                                                   198.51.100.144/28, host mr2-a

  ha2, a host at the core (2001:db8:f:5::2, 198.51.100.22), is the machine of another home agent:
  2001:db8:300::/64 and 198.51.100.160/28 are its virtual home network, 2001:db8:502::/64 and
  198.51.100.176/28 are for its routers.

  Hosts at the core for NTMobile: as (2001:db8:f:6::2, 198.51.100.26), dc (2001:db8:f:7::2,
  198.51.100.30), rsn (2001:db8:f:8::2, 198.51.100.34). teredo is a Teredo server (203.0.113.208 and
  .209) and relay: 2001::/32 is routed to it.

  Routers of visited links drop packets whose source is not in their link's prefix (BCP 38).
`;
