"""Where a request goes: below the base URL, or to an address that the vendor gave, and never to another host."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catchment.errors import NeedsPerson, VendorUnavailable
from catchment.http.request import Request, address

BASE = "https://api.vendor.example/v2"
HOSTS = {"drive/": "https://files.vendor.example"}


def url(request: Request, base: str = BASE) -> str:
    return address(request, base_url=base, hosts=HOSTS, conn_id="vendor")


def test_a_path_is_below_the_base_url_whether_or_not_it_begins_with_a_slash() -> None:
    assert url(Request("things")) == url(Request("/things")) == f"{BASE}/things"
    assert url(Request("drive/v3/files")) == "https://files.vendor.example/drive/v3/files"


@given(st.dictionaries(st.text(min_size=1, max_size=8), st.text(min_size=1, max_size=8), max_size=4))
def test_values_are_bound_and_never_part_of_the_address(params: dict[str, str]) -> None:
    """Python's own parser of queries is the oracle."""
    try:
        [text.encode() for pair in params.items() for text in pair]
    except UnicodeEncodeError:
        return
    asked = urlsplit(url(Request("things", params=params)))
    assert asked.path == "/v2/things"
    assert dict(parse_qsl(asked.query, keep_blank_values=True)) == params


def test_parameters_may_be_absent_repeated_or_truth_values() -> None:
    request = Request("things", params={"a": None, "id": [1, 2], "deep": True})
    assert url(request) == f"{BASE}/things?id=1&id=2&deep=true"


def test_a_space_is_no_plus() -> None:
    """tuomur/python-odata #23, karatelabs/karate #1261: `$filter=a+eq+1` is refused, or means a plus, beyond forms.

    Right: %20, which every server reads as a space; a plus in a value (a cursor, a zone's offset) stays %2B.
    """
    asked = url(Request("things", params={"$filter": "a eq 'x'", "cursor": "a+b/c=="}))
    assert asked == f"{BASE}/things?%24filter=a%20eq%20%27x%27&cursor=a%2Bb%2Fc%3D%3D"


@pytest.mark.parametrize("value", [{"parent": [1]}, b"x", [{"a": 1}], object()])
def test_a_value_that_has_no_one_spelling_is_refused(value: object) -> None:
    """dlt-hub/dlt #2918: an object as a parameter. Python's spelling of it would be sent, and filter nothing."""
    with pytest.raises(TypeError, match="'search'"):
        url(Request("things", params={"search": value}))


def test_a_value_deep_in_the_body_is_set_and_the_rest_stays() -> None:
    asked = Request("graphql", "POST", json={"query": "q", "variables": {"first": 10}})
    following = asked.with_json("variables.after", "abc").with_json("page.size", 5)
    assert following.json == {"query": "q", "variables": {"first": 10, "after": "abc"}, "page": {"size": 5}}
    assert asked.json == {"query": "q", "variables": {"first": 10}}


def test_a_name_in_a_body_may_have_a_dot() -> None:
    """dlt-hub/dlt #2459: the cursor of a field called `user.name` was put into an object called `user`."""
    assert Request("search", json={}).with_json(r"page.user\.name", 1).json == {"page": {"user.name": 1}}


@pytest.mark.parametrize(
    ("link", "goes_to"),
    [
        ("https://api.vendor.example/v2/things?page=2", f"{BASE}/things?page=2"),
        ("/v2/things?page=2", f"{BASE}/things?page=2"),
        ("?page=2", f"{BASE}/things?page=2"),
        ("http://api.vendor.example/v2/things?page=2", f"{BASE}/things?page=2"),
        ("https://files.vendor.example/things?page=2", "https://files.vendor.example/things?page=2"),
    ],
)
def test_a_link_brings_its_own_parameters_and_is_resolved_as_a_browser_would(link: str, goes_to: str) -> None:
    """StreamSets PR 89 (links relative to the host); encode/django-rest-framework PR 9477 and epimorphics/elda #185.

    Behind a proxy that ends TLS, APIs write next links with `http://`. Right: the page is asked for at our own scheme,
    for a token must not travel in clear.
    """
    assert url(Request("things", params={"size": 5}).follow(link)) == goes_to


def test_a_link_that_lost_its_port_goes_to_ours() -> None:
    """paperless-ngx #3130: `next` says http and drops the port behind a proxy. Right: scheme and port of the base."""
    request = Request("things").follow("http://host.example/api/things?page=2")
    assert url(request, "https://host.example:8443/api") == "https://host.example:8443/api/things?page=2"


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/v2/things",
        "//evil.example/things",
        "https://api.vendor.example@evil.example/things",
        "https://api.vendor.example.evil.example/",
        "ftp:things",
    ],
)
def test_a_link_to_another_host_is_refused_with_a_sentence(link: str) -> None:
    """psf/requests PR 4718 and urllib3 #1316: credentials that followed an address to another host."""
    with pytest.raises(NeedsPerson, match="no credentials were sent there") as raised:
        url(Request("things").follow(link))
    assert 'the connection "vendor"' in str(raised.value)


@pytest.mark.parametrize("link", ["https://[api.vendor.example/things", "//[", "https://[http//w.vendor.example/r"])
def test_a_link_that_is_no_address_is_the_vendors_trouble(link: str) -> None:
    """TeamHG-Memex/autopager #6, bartdag/pylinkvalidator #14: urllib's ValueError ended the whole run."""
    with pytest.raises(VendorUnavailable, match="can't be read"):
        url(Request("things").follow(link))


def test_an_address_inside_a_value_is_no_address() -> None:
    assert url(Request("things?of=https://evil.example")) == f"{BASE}/things?of=https://evil.example"


def test_an_absolute_path_stays_on_the_apis_hosts_too() -> None:
    assert url(Request(f"{BASE}/reports/1")) == f"{BASE}/reports/1"
    with pytest.raises(NeedsPerson):
        url(Request("https://evil.example/reports/1"))


def test_a_download_that_carries_its_own_signature_may_go_anywhere_but_in_clear() -> None:
    signed_by_s3 = "https://bucket.s3.amazonaws.com/report.csv?X-Amz-Signature=abc"
    assert url(Request(signed_by_s3, signed=False)) == signed_by_s3
    with pytest.raises(NeedsPerson, match="not HTTPS"):
        url(Request("http://bucket.example/report.csv", signed=False))


def test_what_is_shown_of_a_request_has_no_query() -> None:
    assert Request("things?token=a", params={"key": "b"}).shown == "GET /things"
    assert Request("search", "POST").follow("https://h.example/v2/search?cursor=c").shown == "POST /v2/search"
