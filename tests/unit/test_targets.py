"""Where webhooks may go: nowhere that leads into the installation's own network."""

import socket

import pytest

from adpulse.errors import Usage
from adpulse.targets import Targets, is_public

STRICT, OPEN = Targets(private=False), Targets(private=True)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.8.8", "0.0.0.7", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "224.0.0.1"),
        *("255.255.255.255", "192.0.2.1", "198.18.0.1", "::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:db8::1"),
        *("::127.0.0.1", "::10.0.0.1", "::ffff:0:127.0.0.1", "::ffff:0:10.1.2.3", "64:ff9b::a00:1", "64:ff9b:1::7f00:1", "2002:a00:1::1"),
        *("2001:0:7f00:1::", "2001:0:102:304:0:0:80ff:fffe", "::ffff:0:169.254.169.254"),
    ],
)
def test_an_address_that_is_not_of_the_internet_is_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101", "2002:101:101::1"])
def test_an_address_of_the_internet_is_public(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        *("https://127.0.0.1/", "https://localhost/x", "https://[::1]:8443/", "https://[::ffff:127.0.0.1]/", "https://2130706433/"),
        *("https://0x7f.1/", "https://0177.0.0.1/", "https://169.254.169.254/latest/meta-data/", "https://127.1/"),
    ],
)
def test_a_private_target_is_refused_however_it_is_spelled_unless_it_is_allowed(url):
    with pytest.raises(Usage, match="private network"):
        STRICT.check(url)

    assert OPEN.resolve(url)


@pytest.mark.parametrize(
    "url",
    [
        *("", "example.com", "ftp://1.1.1.1/", "file:///etc/passwd", "https://", "https:///x", "https://1.1.1.1:0/", "https://1.1.1.1:x/"),
        *("https://1.1.1.1/a b", "https://1.1.1.1/\r\nHost: x", "https://user:secret@1.1.1.1/", "https://secret@1.1.1.1/", "https://[::1/"),
        *("http://[fe80::1%25eth0/", "https://1.1.1.1/\u00e9"),
    ],
)
def test_what_is_no_plain_url_of_a_receiver_is_refused_without_repeating_it(url):
    for targets in (STRICT, OPEN):
        with pytest.raises(Usage) as refused:
            targets.check(url)
        assert "secret" not in str(refused.value)


def test_plain_http_is_only_for_ones_own_network():
    with pytest.raises(Usage, match="https://"):
        STRICT.check("http://1.1.1.1/")

    assert STRICT.resolve("https://1.1.1.1/") == ["1.1.1.1"]
    assert OPEN.resolve("http://1.1.1.1/") == ["1.1.1.1"]


def test_a_name_that_leads_nowhere_is_told():
    with pytest.raises(Usage, match=r"nowhere\.invalid.*cannot be found"):
        STRICT.check("https://nowhere.invalid/x")


@pytest.mark.parametrize(
    "addresses", [("1.1.1.1", "10.0.0.1"), ("10.0.0.1", "1.1.1.1"), ("1.1.1.1", "::1"), ("1.1.1.1", "8.8.8.8", "127.0.0.1")]
)
def test_a_name_with_one_private_address_among_public_ones_is_refused(monkeypatch, addresses):
    """Which of them is connected to is not for whoever owns the name to choose."""
    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda _, *rest, **options: [each for one in addresses for each in real(one, *rest, **options)]
    )

    with pytest.raises(Usage, match=r"two-faced\.example is in a private network"):
        STRICT.check("https://two-faced.example/hooks")
    assert OPEN.resolve("https://two-faced.example/hooks") == list(addresses)
