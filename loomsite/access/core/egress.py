"""Which addresses Loom may connect to on somebody's behalf: public ones, and those listed."""

from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

_NAT64 = ip_network("64:ff9b::/96")
_LONGEST_URL = 500
_SCHEMES = ("https", "http")


def url_fault(url: str) -> str | None:
    """Say what keeps a text from being an address to call, or None when nothing does.

    Names are not resolved here: `address_fault` judges what they resolve to, at each connection.
    """
    if len(url) > _LONGEST_URL:
        return f"The address is longer than {_LONGEST_URL} characters."
    if not url.isprintable() or " " in url:
        return "The address holds spaces or control characters."
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 -- reading it is what validates it
    except ValueError as error:
        return f"The address cannot be read: {error}."
    return _parts_fault(parts)


def _parts_fault(parts: SplitResult) -> str | None:
    if parts.scheme not in _SCHEMES or not parts.hostname:
        return "The address must begin with https:// or http:// and name a host."
    if parts.username is not None or parts.password is not None:
        return "The address holds a user or password: keep secrets in the secret."
    if parts.fragment:
        return "The address has a #fragment: remove it."
    return None


def address_fault(host: str, address: str, *, listed: Collection[str]) -> str | None:
    """Say why a connection to `address`, which `host` resolved to, is not allowed; None if it is.

    Args:
        host: The name or address that was asked for.
        address: What it resolved to.
        listed: Hosts, addresses and networks that an operator allows although they are private.
    """
    try:
        found = _unwrapped(ip_address(address.partition("%")[0]))
    except ValueError:
        return f"{host!r} resolved to {address!r}, which is no address."
    if found.is_global and not found.is_multicast:
        return None
    if host in listed or any(_covers(entry, found) for entry in listed):
        return None
    return (
        f"{host!r} is the private or reserved address {found}: list it in LOOM_EGRESS_ALLOW"
        " if it may be reached."
    )


def _unwrapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address that an IPv6 one only carries, so that it cannot hide in it."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _covers(entry: str, address: IPv4Address | IPv6Address) -> bool:
    try:
        network = ip_network(entry, strict=False)
    except ValueError:
        return False
    return address in network
