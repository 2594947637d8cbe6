"""Tells two hosts at one address apart.

serve TAG PORT            answers each datagram with the tag
count NAME PORT NUMBER    sends datagrams to a name, one each 20 ms; prints the number of each tag
"""
import collections
import json
import socket
import sys
import time

if sys.argv[1] == 'serve':
    server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    server.bind(('::', int(sys.argv[3])))
    print('ready', flush=True)
    while True:
        _, source = server.recvfrom(2048)
        server.sendto(sys.argv[2].encode(), source)

found = collections.Counter()
try:
    (family, _, _, _, address), *_ = socket.getaddrinfo(sys.argv[2], int(sys.argv[3]), 0, socket.SOCK_DGRAM)
except socket.gaierror as error:
    print(json.dumps({'unresolved': error.errno}))
    sys.exit()
client = socket.socket(family, socket.SOCK_DGRAM)
client.connect(address)
client.settimeout(0.02)
for _ in range(int(sys.argv[4])):
    began = time.monotonic()
    client.send(b'payload')
    try:
        found[client.recv(2048).decode()] += 1
    except OSError:
        pass
    time.sleep(max(0, 0.02 - (time.monotonic() - began)))
client.settimeout(0.5)
try:
    while True:
        found[client.recv(2048).decode()] += 1
except OSError:
    pass
print(json.dumps(found))
