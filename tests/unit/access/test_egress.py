"""Which addresses may be connected to."""

import pytest

from loomsite.access.core.egress import address_fault, url_fault
from tests.requirements import requirement


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"])
def test_public_addresses_are_allowed(address):
    assert address_fault("host", address, listed=()) is None


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1%eth0",
        "fd00::1",
        "::ffff:127.0.0.1",
        "2002:7f00:1::",
        "64:ff9b::7f00:1",
        "nonsense",
    ],
)
@requirement("reach.egress")
def test_private_and_reserved_addresses_are_refused_however_they_are_written(address):
    assert address_fault("host", address, listed=("other", "203.0.113.0/24")) is not None


@pytest.mark.parametrize("listed", ["host", "10.1.2.3", "10.0.0.0/8"])
def test_an_operator_may_list_a_host_an_address_or_a_network(listed):
    assert address_fault("host", "10.1.2.3", listed=(listed,)) is None


@pytest.mark.parametrize(
    "url", ["https://example.org/v1", "http://localhost:8080", "http://[::1]/"]
)
def test_an_address_to_call_is_accepted(url):
    assert url_fault(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.org",
        "ftp://example.org",
        "https://",
        "https://a:99999",
        "https://user:pw@example.org",
        "https://example.org/#x",
        "https://exa mple.org",
        "https://example.org/\n",
        "https://" + "a" * 600,
        "http://[::1",
    ],
)
def test_what_is_no_address_is_refused(url):
    assert url_fault(url) is not None
