"""The gateway's address."""

from __future__ import annotations

import pytest

from enos_ota.enos import ConfigurationError, check_gateway


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("https://apim.example.com", "https://apim.example.com"),
        ("https://apim.example.com/", "https://apim.example.com"),
        (" HTTPS://Apim.Example.COM:443/ ", "https://apim.example.com"),
        ("https://apim.example.com:8443", "https://apim.example.com:8443"),
        ("https://10.1.2.3", "https://10.1.2.3"),
        ("https://[2001:DB8::1]:443", "https://[2001:db8::1]"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("http://127.9.9.9:8080/", "http://127.9.9.9:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_an_address_has_one_normal_form(given: str, normal: str) -> None:
    assert check_gateway(given) == normal


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("", "is not an address"),
        ("apim.example.com", "is not an address"),
        ("apim.example.com:443", "is not an address"),
        ("https://", "is not an address"),
        ("https://h:70000", "is not an address"),
        ("https://h:x", "is not an address"),
        ("https://[::1", "is not an address"),
        ("ftp://example.com", "must start with https://"),
        ("https://exa mple.com", "no valid host name"),
        ("https://example.com\\@evil.com", "no valid host name"),
        ("https://-example.com", "no valid host name"),
        ("https://[fe80::1%25eth0]", "no valid host name"),
        ("https://bücher.example", "no valid host name"),
        ("https://example.com/enos", "only scheme and host"),
        ("https://example.com?x=1", "only scheme and host"),
        ("https://example.com?", "only scheme and host"),
        ("https://example.com#x", "only scheme and host"),
        ("https://user@example.com", "must not contain a user name or password"),
        ("http://apim.example.com", "must use https"),
        ("http://localhost.example.com", "must use https"),
        ("http://128.0.0.1", "must use https"),
        ("http://[::2]", "must use https"),
        ("http://127.0.0.1.example.com", "must use https"),
    ],
)
def test_what_is_no_gateway_is_refused(given: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        check_gateway(given)


@pytest.mark.parametrize(
    "given",
    ["https://user:s3cr3t@example.com", "https://user:s3cr3t@exa mple", "ftp://u:s3cr3t@h", "https://h?t=s3cr3t"],
)
def test_what_may_be_a_secret_in_an_address_is_not_shown(given: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_gateway(given)

    assert "s3cr3t" not in str(caught.value)
