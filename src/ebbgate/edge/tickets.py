"""Tickets: what a URL carries in place of a token, as a browser's EventSource can set no header.

A ticket opens the notification stream of one environment for a while, and nothing else. It is signed with a key made
from the token's stored hash, so that it is known after a restart of the edge, ends with the token, and is never kept.
"""

import binascii
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256

import msgspec

from ebbgate.core.errors import AuthenticationError

_PURPOSE = b"ebbgate notification stream, ticket 1"
_SIGNATURE_BYTES = 32
_LENGTH_MAX = 1_000


class Ticket(msgspec.Struct, frozen=True, array_like=True):
    """token_id: whose. expires_s: machine time, unix seconds; nothing is opened from then on."""

    token_id: str
    environment: str
    expires_s: int


class SignedTicket(msgspec.Struct, frozen=True):
    """A ticket as it was found in a URL: not yet known to be good."""

    ticket: Ticket
    payload: bytes
    signature: bytes

    def is_of(self, token_sha256: str) -> bool:
        """Whether the token of that hash signed it."""
        return hmac.compare_digest(self.signature, _signature(self.payload, token_sha256))


def write_ticket(ticket: Ticket, token_sha256: str) -> str:
    """The ticket as text for a URL; the same for the same ticket."""
    payload = msgspec.json.encode(ticket)
    return urlsafe_b64encode(_signature(payload, token_sha256) + payload).rstrip(b"=").decode()


def read_ticket(text: str) -> SignedTicket:
    """The ticket of that text. Raises AuthenticationError when it is none; the message does not repeat it."""
    try:
        if len(text) > _LENGTH_MAX:
            raise ValueError
        raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        payload = raw[_SIGNATURE_BYTES:]
        ticket = msgspec.json.decode(payload, type=Ticket)
    except (ValueError, binascii.Error, msgspec.DecodeError) as error:
        raise AuthenticationError(
            "the ticket cannot be read", hint="Evaluate in bulk again, and take the stream's address from the answer."
        ) from error
    return SignedTicket(ticket=ticket, payload=payload, signature=raw[:_SIGNATURE_BYTES])


def expiry_s(now_s: float, *, ticket_s: int) -> int:
    """When a ticket made now ends: at least `ticket_s` from now, below twice that.

    Rounded, so that everybody's answers do not change with every second, and entity tags with them.
    """
    return (int(now_s) // ticket_s + 2) * ticket_s


def _signature(payload: bytes, token_sha256: str) -> bytes:
    key = hmac.digest(bytes.fromhex(token_sha256), _PURPOSE, sha256)
    return hmac.digest(key, payload, sha256)
