"""Sends from the home addresses to groups of a link that this host listens to.

Usage: own-groups.py DEVICE HOME_ADDRESS IPV4_HOME_ADDRESS BROADCAST_ADDRESS
Prints the source of each datagram that came back, null for one that did not, as JSON.
"""

import json
import socket
import struct
import sys

PORT = 15353
GROUP6, GROUP4 = "ff02::fb", "224.0.0.251"
WAIT_SECONDS = 1

device, home6, home4, broadcast = sys.argv[1:]
index = socket.if_nametoindex(device)
membership = struct.pack("@4s4si", socket.inet_aton(GROUP4), bytes(4), index)


def receiver(family):
    listening = socket.socket(family, socket.SOCK_DGRAM)
    listening.settimeout(WAIT_SECONDS)
    if family == socket.AF_INET6:
        listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        group = socket.inet_pton(family, GROUP6) + struct.pack("@I", index)
        listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
    else:
        listening.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
    listening.bind(("", PORT))
    return listening


def sender(family, source):
    sending = socket.socket(family, socket.SOCK_DGRAM)
    sending.bind((source, 0))
    if family == socket.AF_INET6:
        sending.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
    else:
        sending.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sending.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, membership)
    return sending


def heard(family, source, destination):
    with receiver(family) as listening, sender(family, source) as sending:
        sending.sendto(b"from this host", (destination, PORT))
        try:
            return listening.recvfrom(64)[1][0]
        except TimeoutError:
            return None


print(
    json.dumps(
        {
            "ipv6": heard(socket.AF_INET6, home6, GROUP6),
            "ipv4": heard(socket.AF_INET, home4, GROUP4),
            "broadcast": heard(socket.AF_INET, home4, broadcast),
        }
    )
)
