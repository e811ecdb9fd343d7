"""What we use and override of paramiko beyond its documentation: all of it stands here, behind names of our own.

`PRIVATE` lists the names; a test compares it with this file and with the paramiko that is installed. The rest of the
package subclasses these classes and calls these functions, and touches no private name.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping
from typing import Any

import paramiko
from paramiko.auth_handler import AuthOnlyHandler
from paramiko.common import CONNECTION_FAILED_CODE, MSG_USERAUTH_INFO_REQUEST, cMSG_CHANNEL_OPEN
from paramiko.packet import Packetizer
from paramiko.transport import ServiceRequestingTransport

__all__ = [
    "PRIVATE",
    "AuthInnards",
    "PacketInnards",
    "SocketInnards",
    "TransportInnards",
    "consumed",
    "expect_answer",
    "has_closed",
    "packed",
]

# By class: names with an underscore, and undocumented attributes and methods.
PRIVATE: Mapping[type, frozenset[str]] = {
    ServiceRequestingTransport: frozenset(
        {
            *("_active_check_timeout", "_channels", "_cipher_info", "_kex_info", "_key_info", "_mac_info"),
            *("_next_channel", "_parse_channel_open_failure", "_parse_disconnect", "_really_parse_kex_init"),
            *("_send_message", "_send_user_message", "_verify_key"),
            *("active", "channel_events", "channels_seen", "clear_to_send", "initial_kex_done", "lock", "packetizer"),
            *("preferred_keys", "server_extensions"),
        }
    ),
    Packetizer: frozenset(
        {"_check_keepalive", "_read_timeout", "closed", "read_all", "readline", "start_handshake", "write_all"}
    ),
    AuthOnlyHandler: frozenset(
        {
            *("_client_handler_table", "_parse_userauth_failure", "_parse_userauth_success"),
            *("abort", "auth_method", "transport", "username"),
        }
    ),
    paramiko.Channel: frozenset(
        {
            *("_check_add_window", "_closed", "_event_pending", "_set_transport", "_set_window", "_unlink", "closed"),
            *("eof_received", "event", "event_ready", "exit_status", "in_buffer", "in_stderr_buffer", "remote_chanid"),
            "status_event",
        }
    ),
}


def packed(kind: bytes, *fields: str | bytes | bool | int) -> paramiko.Message:
    """A message, or another run of fields of SSH's (RFC 4251, section 5): a byte, then texts, flags and numbers."""
    message = paramiko.Message()
    message.add_byte(kind)
    for field in fields:
        if isinstance(field, bool):
            message.add_boolean(field)
        elif isinstance(field, int):
            message.add_int(field)
        else:
            message.add_string(field)
    return message


class TransportInnards(ServiceRequestingTransport):
    """paramiko's transport with hooks where it decides: the host's key, its algorithms, its words at the end."""

    # Seconds: how often a waiting thread of paramiko looks at the silence of the other side; bounds how late it is.
    _active_check_timeout = 2.0
    packetizer: Any
    active: bool
    lock: threading.Lock
    server_extensions: dict[str, bytes]
    channel_events: dict[int, threading.Event]
    channels_seen: dict[int, bool]
    default_window_size: int
    default_max_packet_size: int
    _channels: Any
    _kex_info: Mapping[str, object]
    _key_info: Mapping[str, object]
    _cipher_info: Mapping[str, object]
    _mac_info: Mapping[str, object]
    _send_message: Callable[[paramiko.Message], None]
    _send_user_message: Callable[[paramiko.Message], None]

    def __init__(self, sock: SocketInnards, packetizer_class: type[PacketInnards]) -> None:
        super().__init__(sock, packetizer_class=packetizer_class)  # type: ignore[arg-type]
        self.channel_events = _Events()
        self.torn = False
        self._opening = threading.local()
        self._refused: dict[int, paramiko.ChannelException] = {}

    # hooks
    def judge(self, host_key: bytes) -> None:
        """The host has proved to hold this key; an SSHException ends the connection."""

    def hear_offer(self, offer: dict[str, list[str]]) -> None:
        """The algorithms that the host offers, by paramiko's names for the lists of RFC 4253, section 7.1."""

    def hear_goodbye(self, words: str) -> None:
        """The host disconnects, with these words."""

    # our names
    @property
    def able(self) -> dict[str, tuple[str, ...]]:
        """What paramiko can do, by list: `kex`, `keys`, `ciphers`, `macs`."""
        return {
            "kex": tuple(self._kex_info),
            "keys": tuple(self._key_info),
            "ciphers": tuple(self._cipher_info),
            "macs": tuple(self._mac_info),
        }

    def teach(self, *, keys: Mapping[str, object], kex: Mapping[str, object]) -> None:
        """Add host key types and key exchanges that paramiko has dropped."""
        self._key_info = {**self._key_info, **keys}
        self._kex_info = {**self._kex_info, **kex}

    @property
    def in_session(self) -> bool:
        """Whether keys have been exchanged and the connection stands."""
        return self.active and self.initial_kex_done

    def is_active(self) -> bool:
        """Whether the connection stands; no session of one that stands has ended with it."""
        return self.active and not self.torn

    @property
    def may_send(self) -> bool:
        """Whether no exchange of keys is under way, which other messages would disturb."""
        return self.clear_to_send.is_set()

    def send(self, message: paramiko.Message) -> None:
        """Send it, whatever is under way; raises EOFError where the connection is no more."""
        self._send_message(message)

    @property
    def channel_count(self) -> int:
        """How many channels there are: sessions and tunnels, also ones that are being opened or closed."""
        return len(self._channels)

    def ask_for_session(self, answered: threading.Event) -> paramiko.Channel:
        """Ask for a session channel, as `open_channel` does, and do not wait.

        Args:
            answered: set when the host has answered, or the connection is no more. The channel is `active` then unless
                `refusal_of` tells otherwise, or the connection is no more.
        """
        with self.lock:
            channel = _SessionChannel(self._next_channel())
            self._channels.put(channel.chanid, channel)
            self.channel_events[channel.chanid] = answered
            self.channels_seen[channel.chanid] = True
            channel._set_transport(self)  # type: ignore[attr-defined]
            channel._set_window(self.default_window_size, self.default_max_packet_size)  # type: ignore[attr-defined]
        sizes = (self.default_window_size, self.default_max_packet_size)
        try:
            self._send_user_message(packed(cMSG_CHANNEL_OPEN, "session", channel.chanid, *sizes))
        except (EOFError, OSError, paramiko.SSHException):
            answered.set()
        if not self.active:
            # It may have ended before it knew whom to tell.
            answered.set()
        return channel

    def refusal_of(self, channel: paramiko.Channel) -> paramiko.ChannelException | None:
        """Why the host did not open the channel that was asked for."""
        return self._refused.pop(channel.chanid, None)

    def send_in_turn(self, message: paramiko.Message) -> None:
        """Send it when no exchange of keys is under way; raises EOFError where the connection is no more."""
        self._send_user_message(message)
        if not self.active:
            # paramiko drops it then, and says nothing.
            raise EOFError

    # paramiko's names
    def _really_parse_kex_init(self, m: paramiko.Message, ignore_first_byte: bool = False) -> Mapping[str, object]:
        parsed: Mapping[str, object] = super()._really_parse_kex_init(m, ignore_first_byte)  # type: ignore[misc]
        self.hear_offer({name: list(value) for name, value in parsed.items() if isinstance(value, list)})
        return parsed

    def _verify_key(self, host_key: bytes, sig: bytes) -> None:
        super()._verify_key(host_key, sig)  # type: ignore[misc]
        self.judge(host_key)

    def _parse_disconnect(self, m: paramiko.Message) -> None:
        m.get_int()
        self.hear_goodbye(m.get_text())

    # paramiko has one place for the failures of all channels, and drops the words that came with a refusal: of many
    # hosts behind a bastion, each is to be told its own.
    def _next_channel(self) -> int:
        number: int = super()._next_channel()  # type: ignore[misc]
        self._opening.number = number
        return number

    def _parse_channel_open_failure(self, m: paramiko.Message) -> None:
        number, code = m.get_int(), m.get_int()
        words = (CONNECTION_FAILED_CODE.get(code, ""), m.get_text())
        with self.lock:
            opening = self.channel_events.pop(number, None)
            if opening is not None:
                self._refused[number] = paramiko.ChannelException(code, ": ".join(word for word in words if word))
                self._channels.delete(number)
                opening.set()

    def get_exception(self) -> Exception | None:
        refusal = self._refused.pop(getattr(self._opening, "number", -1), None)
        return refusal or super().get_exception()


class _Events(dict[int, threading.Event]):
    """Who waits for a channel, by its number. paramiko tells them all of the end while others come to wait."""

    def values(self) -> list[threading.Event]:  # type: ignore[override]
        return list(super().values())


class _SessionChannel(paramiko.Channel):
    """A channel of a connection that is known to have ended before its channels look as if the host had closed them.

    paramiko closes them first, and whoever looked in between would take a connection that broke for a command's end.
    """

    transport: TransportInnards

    def _unlink(self) -> None:
        self.transport.torn = True
        super()._unlink()  # type: ignore[misc]


class PacketInnards(Packetizer):
    """paramiko's packets, with hooks where it waits."""

    def look_after(self) -> None:
        """Nothing came for a while, or something did: time to look whether the other side is there."""

    def hear_early(self, count: int) -> None:
        """`count` bytes came before any packet."""

    def _check_keepalive(self) -> None:
        self.look_after()

    def _read_timeout(self, timeout: float) -> bytes:
        data: bytes = super()._read_timeout(timeout)  # type: ignore[misc]
        self.hear_early(len(data))
        return data


class AuthInnards(AuthOnlyHandler):
    """paramiko's place for the answers to authentication requests, with a hook for each."""

    def hear_success(self) -> None:
        """We are in."""

    def hear_failure(self, methods: list[str], partial: bool) -> None:
        """The method failed, or was not enough (`partial`); `methods` may go on."""

    def hear_60(self, message: paramiko.Message) -> None:
        """Message 60, whose meaning is the method's: RFC 4252, section 7, and RFC 4256, section 3.2."""

    @property
    def _client_handler_table(self) -> dict[int, Callable[[paramiko.Message], None]]:
        table: dict[int, Callable[[paramiko.Message], None]] = dict(super()._client_handler_table)  # type: ignore[misc]
        table[MSG_USERAUTH_INFO_REQUEST] = self.hear_60
        return table

    def _parse_userauth_success(self, m: paramiko.Message) -> None:
        super()._parse_userauth_success(m)  # type: ignore[misc]
        self.hear_success()

    def _parse_userauth_failure(self, m: paramiko.Message) -> None:
        methods = m.get_list()
        self.hear_failure(methods, m.get_boolean())


class SocketInnards:
    """What paramiko takes for a socket has to have the private name of one."""

    @property
    def is_closed(self) -> bool:
        raise NotImplementedError

    @property
    def _closed(self) -> bool:
        return self.is_closed


def has_closed(sock: socket.socket | paramiko.Channel) -> bool:
    """Whether a socket, or a channel that stands in for one, was closed."""
    return bool(sock._closed)  # type: ignore[union-attr]


def expect_answer(channel: paramiko.Channel) -> None:
    """Before a request that wants an answer: `channel.event` tells that it is there, `event_ready` that it is yes."""
    channel._event_pending()  # type: ignore[attr-defined]


def consumed(channel: paramiko.Channel, count: int) -> int:
    """`count` bytes of its output found their reader; returns by how much the host's window is to be widened now."""
    return int(channel._check_add_window(count))  # type: ignore[attr-defined]
