"""The keywords of ssh_config(5): how the value of each is written, and which of them change nothing here."""

from __future__ import annotations

from collections.abc import Sequence

from agentless.openssh.syntax import port_number, seconds, words

__all__ = ["COLLECTED", "known", "read", "unhonoured"]

# ruff: noqa: SIM905 - one keyword a line would make three pages of them.
_ALIASES = {
    "challengeresponseauthentication": "kbdinteractiveauthentication",
    "dsaauthentication": "pubkeyauthentication",
    "hostbasedkeytypes": "hostbasedacceptedalgorithms",
    "identityfile2": "identityfile",
    "keepalive": "tcpkeepalive",
    "pubkeyacceptedkeytypes": "pubkeyacceptedalgorithms",
    "skeyauthentication": "kbdinteractiveauthentication",
    "smartcarddevice": "pkcs11provider",
    "tisauthentication": "kbdinteractiveauthentication",
}
# Of these every value counts, of the others the first.
COLLECTED = frozenset({"certificatefile", "identityfile"})

_COMMANDS = frozenset({"knownhostscommand", "localcommand", "proxycommand", "proxyjump", "remotecommand"})
_LISTS = frozenset(
    "canonicaldomains canonicalizepermittedcnames globalknownhostsfile revokedhostkeys userknownhostsfile".split()
)
_WORDS = frozenset(
    "bindaddress bindinterface canonicalizemaxdots casignaturealgorithms certificatefile ciphers connecttimeout "
    "controlpath hostbasedacceptedalgorithms hostkeyalgorithms hostkeyalias hostname identityagent identityfile "
    "ignoreunknown kexalgorithms macs pkcs11provider port preferredauthentications pubkeyacceptedalgorithms "
    "refuseconnection requiredrsasize securitykeyprovider tag user".split()
)
_FLAGS = frozenset(
    "batchmode canonicalizefallbacklocal checkhostip clearallforwardings enableescapecommandline enablesshkeysign "
    "exitonforwardfailure forkafterauthentication forwardx11 forwardx11trusted gatewayports gssapiauthentication "
    "gssapidelegatecredentials hashknownhosts hostbasedauthentication identitiesonly kbdinteractiveauthentication "
    "nohostauthenticationforlocalhost passwordauthentication permitlocalcommand proxyusefdpass stdinnull "
    "streamlocalbindunlink tcpkeepalive visualhostkey warnweakcrypto".split()
)
_YES_NO = ("yes", "no", "true", "false")
_CHOICES = {
    "addressfamily": ("any", "inet", "inet6"),
    "canonicalizehostname": (*_YES_NO, "always"),
    "pubkeyauthentication": (*_YES_NO, "unbound", "host-bound"),
    "stricthostkeychecking": (*_YES_NO, "ask", "off", "accept-new"),
    "updatehostkeys": (*_YES_NO, "ask"),
    "verifyhostkeydns": (*_YES_NO, "ask"),
    **dict.fromkeys(_FLAGS, _YES_NO),
}
# What says nothing about how to reach a host, who it is and who we are, and is read by ssh alone, or by a patched one.
_OTHERS = frozenset(
    "addkeystoagent afstokenpassing applemultipath channeltimeout cipher compression compressionlevel "
    "connectionattempts controlmaster controlpersist dynamicforward escapechar fallbacktorsh "
    "fingerprinthash forwardagent forwardx11timeout globalknownhostsfile2 gssapiclientidentity gssapikexalgorithms "
    "gssapikeyexchange gssapirenewalforcesrekey gssapiserveridentity gssapitrustdns hpnbuffersize hpndisabled ipqos "
    "kbdinteractivedevices kerberosauthentication kerberostgtpassing localforward logfacility loglevel logverbose "
    "noneenabled noneswitch numberofpasswordprompts obscurekeystroketiming permitremoteopen protocol "
    "protocolkeepalives rekeylimit remoteforward requesttty rhostsauthentication rhostsrsaauthentication "
    "rsaauthentication rsaminsize sendenv serveralivecountmax serveraliveinterval sessiontype setenv setuptimeout "
    "streamlocalbindmask syslogfacility tcprcvbuf tcprcvbufpoll tunnel tunneldevice usekeychain useprivilegedport "
    "userknownhostsfile2 useroaming usersh versionaddendum xauthlocation".split()
)
_KNOWN = _COMMANDS | _LISTS | _WORDS | _OTHERS | _CHOICES.keys()

# What would make another connection of it, or let another key in, and is not done here.
_UNHONOURED = {
    "bindinterface": "BindInterface",
    "casignaturealgorithms": "CASignatureAlgorithms",
    "gssapiauthentication": "GSSAPIAuthentication",
    "hostbasedauthentication": "HostbasedAuthentication",
    "knownhostscommand": "KnownHostsCommand",
    "nohostauthenticationforlocalhost": "NoHostAuthenticationForLocalhost",
    "pkcs11provider": "PKCS11Provider",
    "proxyusefdpass": "ProxyUseFdpass",
    "requiredrsasize": "RequiredRSASize",
    "securitykeyprovider": "SecurityKeyProvider",
    "verifyhostkeydns": "VerifyHostKeyDNS",
}


def known(keyword: str) -> bool:
    """Whether any ssh of today has this keyword."""
    return keyword in _KNOWN or keyword in _ALIASES


def read(keyword: str, text: str) -> tuple[str, tuple[str, ...]]:
    """A keyword by its present name, and its value: its words, or the whole of a command.

    Raises:
        ValueError: the value is none for this keyword.
    """
    keyword = _ALIASES.get(keyword, keyword)
    values = words(text)
    if keyword in _COMMANDS:
        command = text.lstrip(" \t\r\n=")
        if keyword == "proxyjump":
            command = command.partition("#")[0].rstrip()
        values = [command]
    if not values or not values[0]:
        raise ValueError(f"{keyword} needs a value")
    if len(values) > 1 and (keyword in _WORDS or keyword in _CHOICES):
        raise ValueError(f"{keyword} takes one value, not {' '.join(values)!r}")
    if keyword in _LISTS and len(values) > 1 and any(word.lower() == "none" for word in values):
        raise ValueError(f'{keyword} "none" must stand alone')
    if keyword in _CHOICES and values[0].lower() not in _CHOICES[keyword]:
        raise ValueError(f"{keyword} {values[0]!r} is none of {', '.join(_CHOICES[keyword])}")
    if keyword == "port":
        port_number(values[0])
    elif keyword == "connecttimeout" and values[0] != "none":
        seconds(values[0])
    elif keyword == "canonicalizemaxdots" and not values[0].removeprefix("-").isdecimal():
        raise ValueError(f"{keyword} {values[0]!r} is no number")
    return keyword, tuple(values)


def unhonoured(keyword: str, value: Sequence[str]) -> str:
    """The name of a keyword whose value changes how ssh connects, and nothing here; empty for any other."""
    off = value[0].lower() in ("no", "false", "none")
    return "" if off else _UNHONOURED.get(keyword, "")
