# Plays both sides of Noise_IK_25519_ChaChaPoly_SHA256 with a third implementation, the library
# python3-dissononce.
# Arguments in hexadecimal: prologue, private keys of the initiator and the responder, both
# ephemeral keys, both payloads.
# Prints the first message, the second message, and the two keys of Split().
import sys

from dissononce.cipher.chachapoly import ChaChaPolyCipher
from dissononce.dh.x25519.x25519 import PrivateKey, X25519DH
from dissononce.extras.dh.dangerous.dh_nogen import NoGenDH
from dissononce.hash.sha256 import SHA256Hash
from dissononce.processing.handshakepatterns.interactive.IK import IKHandshakePattern
from dissononce.processing.impl.cipherstate import CipherState
from dissononce.processing.impl.handshakestate import HandshakeState
from dissononce.processing.impl.symmetricstate import SymmetricState

(prologue, initiator, responder, initiator_ephemeral, responder_ephemeral, first, second) = map(
    bytes.fromhex, sys.argv[1:]
)


def state(ephemeral):
    return HandshakeState(
        SymmetricState(CipherState(ChaChaPolyCipher()), SHA256Hash()),
        NoGenDH(X25519DH(), PrivateKey(ephemeral)),
    )


dh = X25519DH()
initiator_pair = dh.generate_keypair(PrivateKey(initiator))
responder_pair = dh.generate_keypair(PrivateKey(responder))
one, other = state(initiator_ephemeral), state(responder_ephemeral)
one.initialize(IKHandshakePattern(), True, prologue, s=initiator_pair, rs=responder_pair.public)
other.initialize(IKHandshakePattern(), False, prologue, s=responder_pair)

message = bytearray()
one.write_message(first, message)
other.read_message(bytes(message), bytearray())
print(message.hex())
message = bytearray()
ciphers = other.write_message(second, message)
print(message.hex())
for cipher in ciphers:
    print(cipher._key.hex())
