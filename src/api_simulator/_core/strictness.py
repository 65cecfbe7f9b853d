"""
What a request's head must look like where parsers are more lenient than the standard.

A server that takes what others refuse hides mistakes of the client under test. Parsers refuse most of it by
themselves; what some of them let pass is checked here.
"""

from __future__ import annotations

import re

_REQUEST_LINE = re.compile(rb"[^ \t\r\n]+ [^ \t\r\n]+ HTTP/1\.[01]\r\n")
_TRANSFER_ENCODING = re.compile(rb"\r\ntransfer-encoding:([^\r\n]*)", re.IGNORECASE)


def refusal(head: bytes) -> str | None:
    """
    Return why a request with this *head* is refused, None if it is not.

    RFC 9112, section 3: method, target and version are parted by single spaces; another version than 1.0 and
    1.1 is spoken otherwise. Section 6.1: with 1.0 there are no transfer codings; section 6.3: the last one is
    chunked; section 7: that is applied once.
    """
    line = _REQUEST_LINE.match(head)
    if line is None:
        return "the request line is not METHOD SP TARGET SP HTTP/1.0 or HTTP/1.1"
    fields = _TRANSFER_ENCODING.findall(head)
    codings = b",".join(fields).lower()
    if fields and line.group().endswith(b"1.0\r\n"):
        return "Transfer-Encoding in a request of HTTP/1.0"
    if fields and codings.rpartition(b",")[2].strip() != b"chunked":
        return "Transfer-Encoding must end in chunked"
    if codings.count(b"chunked") > 1:
        return "Transfer-Encoding names chunked more than once"
    return None
