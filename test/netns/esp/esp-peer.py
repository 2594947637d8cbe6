"""The other end of ESP associations, by scapy: a mobile node or a home agent.

Usage: esp-peer.py node|agent JSON. The argument is {"local", "peer",
"associations": [...], "sequences": [...]}, each association
with homeAddress, algorithm, esn, and toHomeAgent and toMobileNode as [spi, key].

node: sends a Binding Update for each home address to `peer`, once with each sequence number of ESP
in "sequences", and prints, as JSON, the statuses of the Binding Acknowledgements by home address.
agent: answers each Binding Update for a home address by an acknowledgement and prints each home
address in a line.
"""
import hashlib, hmac, json, select, socket, struct, sys, time
from scapy.all import Raw, raw
from scapy.layers.inet6 import IPv6
from scapy.layers.ipsec import ESP, SecurityAssociation

ICV = 16
BU, BA = 5, 6
MOBILITY, ESP_PROTOCOL, ROUTING, OPTIONS = 135, 50, 43, 60


def octets(address):
    return socket.inet_pton(socket.AF_INET6, address)


def mobility(kind, body, source, destination):
    data = bytes([59, (len(body) + 6) // 8 - 1, kind, 0, 0, 0]) + body
    pseudo = octets(source) + octets(destination) + struct.pack("!II", len(data), MOBILITY) + data
    total = sum(struct.unpack(f"!{len(pseudo) // 2}H", pseudo))
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return data[:4] + struct.pack("!H", 0xFFFF - total) + data[6:]


def update(home, agent, care_of, sequence):
    body = struct.pack("!HHH", sequence, 0xC000, 100) + bytes([1, 0, 3, 16]) + octets(care_of)
    return mobility(BU, body, home, agent)


def acknowledgement(home, agent, sequence):
    body = struct.pack("!BBHH", 0, 0, sequence, 100) + bytes([1, 2, 0, 0])
    return mobility(BA, body, agent, home)


class Direction:
    """scapy leaves the high half of an extended sequence number out of ESP's HMAC (RFC 4303 §2.2.1
    has it in), so that is done here."""

    CIPHERS = {"aes-gcm-16": "AES-GCM", "aes-cbc-hmac-sha256-128": "AES-CBC"}

    def __init__(self, association, name):
        spi, key = association[name]
        key = bytes.fromhex(key)
        gcm = association["algorithm"] == "aes-gcm-16"
        cut = len(key) if gcm else len(key) - 32
        self.authentication = None if gcm else key[cut:]
        self.covers = association["esn"] and not gcm
        self.extended = association["esn"] and gcm
        self.sequence = 1
        self.sa = SecurityAssociation(
            ESP, spi=spi, crypt_algo=self.CIPHERS.get(association["algorithm"], "NULL"),
            crypt_key=key[:cut] or None, auth_algo=None if gcm else "SHA2-256-128",
            auth_key=self.authentication, **self.esn(0))

    def esn(self, high):
        return {"esn_en": True, "esn": high} if self.extended else {}

    def icv(self, data, high):
        data = data + struct.pack("!L", high)
        return hmac.new(self.authentication, data, hashlib.sha256).digest()[:ICV]

    def seal(self, source, destination, payload):
        packet = IPv6(src=source, dst=destination, nh=MOBILITY) / Raw(payload)
        high, low = self.sequence >> 32, self.sequence & 0xFFFFFFFF
        self.sequence += 1
        sealed = raw(self.sa.encrypt(packet, seq_num=low, **self.esn(high)))[40:]
        return sealed[:-ICV] + self.icv(sealed[:-ICV], high) if self.covers else sealed

    def open(self, source, destination, sealed):
        # The sender's numbers begin at the bottom.
        if self.covers:
            assert self.icv(sealed[:-ICV], 0) == sealed[-ICV:], "integrity check value"
        packet = IPv6(raw(IPv6(src=source, dst=destination, nh=ESP_PROTOCOL) / Raw(sealed)))
        opened = self.sa.decrypt(packet, verify=not self.covers, **self.esn(0))
        assert opened.nh == MOBILITY, opened.nh
        return raw(opened)[40:]


class Network:
    def __init__(self, local, peer):
        self.local, self.peer = local, peer
        self.sending = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self.tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x86DD))

    def send(self, destination, header, payload):
        first = OPTIONS if header[2] == 1 else ROUTING
        data = bytes([ESP_PROTOCOL]) + header[1:] + payload
        fixed = struct.pack("!IHBB", 6 << 28, len(data), first, 64)
        packet = fixed + octets(self.local) + octets(destination) + data
        self.sending.sendto(packet, (destination, 0))

    def receive(self, seconds):
        """The source, and the ESP packet behind one extension header, with the address in that."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if not select.select([self.tap], [], [], left)[0]:
                return None
            packet, (_, _, kind, *_) = self.tap.recvfrom(65536)
            if kind == socket.PACKET_OUTGOING or packet[24:40] != octets(self.local):
                continue
            length = 40 + struct.unpack("!H", packet[4:6])[0]
            at = 40 + (packet[41] + 1) * 8
            if packet[6] in (ROUTING, OPTIONS) and packet[40] == ESP_PROTOCOL and at == 64:
                source = socket.inet_ntop(socket.AF_INET6, packet[8:24])
                home = socket.inet_ntop(socket.AF_INET6, packet[48:64])
                return source, home, packet[at:length]
        return None


def options(home):
    return bytes([0, 2, 1, 2, 0, 0, 201, 16]) + octets(home)


def routing(home):
    return bytes([0, 2, 2, 1, 0, 0, 0, 0]) + octets(home)


def node(network, associations, sequences):
    ends = {one["homeAddress"]: (Direction(one, "toHomeAgent"), Direction(one, "toMobileNode"))
            for one in associations}
    statuses = {home: [] for home in ends}
    # Later runs have higher numbers of ESP, and so of Binding Updates.
    for number, sequence in enumerate(sequences, sequences[0] % 30000):
        for home, (outward, _) in ends.items():
            outward.sequence = sequence
            payload = update(home, network.peer, network.local, number)
            network.send(network.peer, options(home), outward.seal(home, network.peer, payload))
        waiting = set(ends)
        while waiting and (found := network.receive(8)) is not None:
            source, home, sealed = found
            waiting.remove(home)
            data = ends[home][1].open(source, home, sealed)
            assert data[2] == BA and struct.unpack("!H", data[8:10])[0] == number, data.hex()
            statuses[home].append(data[6])
    print(json.dumps(statuses))


def agent(network, associations, _sequences):
    print("ready", flush=True)
    ends = {one["homeAddress"]: (Direction(one, "toHomeAgent"), Direction(one, "toMobileNode"))
            for one in associations}
    while (found := network.receive(60)) is not None:
        source, home, sealed = found
        inward, outward = ends[home]
        data = inward.open(home, network.local, sealed)
        assert data[2] == BU, data.hex()
        answer = acknowledgement(home, network.local, struct.unpack("!H", data[6:8])[0])
        network.send(source, routing(home), outward.seal(network.local, home, answer))
        print(home, flush=True)


if __name__ == "__main__":
    asked = json.loads(sys.argv[2])
    run = {"node": node, "agent": agent}[sys.argv[1]]
    run(Network(asked["local"], asked["peer"]), asked["associations"], asked["sequences"])
