"""What is refused although parsers let it pass."""

import pytest

from api_simulator._core.strictness import refusal

LINE = b"GET / HTTP/1.1\r\n"


@pytest.mark.parametrize(
    "head",
    [
        LINE + b"\r\n",
        LINE + b"Host: x\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"B+REW http://x/a?b HTTP/1.1\r\n\r\n",
        LINE + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
        LINE + b"X: y\r\nTransfer-Encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n",
        # Not a field of that name.
        b"GET / HTTP/1.0\r\nX-Transfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.0\r\nX: transfer-encoding: chunked\r\n\r\n",
    ],
)
def test_a_good_head_is_not_refused(head):
    assert refusal(head) is None


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (b"GET  / HTTP/1.1\r\n\r\n", "the request line is not METHOD SP TARGET SP HTTP/1.0 or HTTP/1.1"),
        (b"GET / HTTP/2.0\r\n\r\n", "the request line is not METHOD SP TARGET SP HTTP/1.0 or HTTP/1.1"),
        (b"GET / HTTP/1.1 \r\n\r\n", "the request line is not METHOD SP TARGET SP HTTP/1.0 or HTTP/1.1"),
        (b"GET / HTTP/1.1\n\r\n", "the request line is not METHOD SP TARGET SP HTTP/1.0 or HTTP/1.1"),
        (b"GET / HTTP/1.0\r\nTRANSFER-encoding:chunked\r\n\r\n", "Transfer-Encoding in a request of HTTP/1.0"),
        (LINE + b"Transfer-Encoding:\r\n\r\n", "Transfer-Encoding must end in chunked"),
        (LINE + b"Transfer-Encoding: chunked, gzip\r\n\r\n", "Transfer-Encoding must end in chunked"),
        (LINE + b"Transfer-Encoding: chunked, Chunked\r\n\r\n", "Transfer-Encoding names chunked more than once"),
        (
            LINE + b"Transfer-Encoding: chunked\r\nA: b\r\nTransfer-Encoding: chunked\r\n\r\n",
            "Transfer-Encoding names chunked more than once",
        ),
    ],
)
def test_a_lenient_parsers_head_is_refused_with_the_reason(head, reason):
    assert refusal(head) == reason
