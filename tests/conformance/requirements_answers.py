"""What is on the wire, and when: answers, streams, pauses, faults, limits, connections."""

from __future__ import annotations

from tests.conformance.manifest import Requirement

_WHOLE = (
    Requirement("answer:body:json", "A dict, list, number or boolean is sent as compact UTF-8 JSON."),
    Requirement("answer:body:text", "Text is sent as UTF-8, with a content type that says so."),
    Requirement("answer:body:bytes", "Bytes are sent as they are."),
    Requirement(
        "answer:body:none", "An answer without body has Content-Length 0 and no Content-Type.", "RFC 9110 section 8.6"
    ),
    Requirement("answer:body:later-change", "A value that is changed after its registration is sent as registered."),
    Requirement("answer:head:own-content-type", "A Content-Type of one's own takes the place of the body's."),
    Requirement(
        "answer:head:order-and-case",
        "Fields are sent in the order and case given, repeated ones as often as given.",
        "RFC 9110 section 5.3",
    ),
    Requirement("answer:head:numbers", "A field value that is a number is sent in digits."),
    Requirement("answer:head:nothing-added", "No Server, Date or other field is sent that was not asked for."),
    Requirement(
        "answer:head:beyond-ascii",
        "Field values and reason phrases are sent in Latin-1, those it cannot hold in UTF-8.",
        "RFC 9110 section 5.5",
    ),
    Requirement(
        "answer:head:reason",
        "The reason phrase is the one given, else that of the registry, else empty.",
        "RFC 9112 section 4",
    ),
    Requirement(
        "answer:framing:head", "HEAD is answered with the fields of GET and no body.", "RFC 9110 section 9.3.2"
    ),
    Requirement(
        "answer:framing:no-content",
        "Answers with 204 and 304 end with their head and have no Content-Length.",
        "RFC 9110 sections 6.4.1 and 8.6",
    ),
    Requirement("answer:framing:same-bytes", "One spec is the same bytes for every request of one form."),
    Requirement("answer:framing:large", "A body larger than every buffer arrives whole."),
    Requirement(
        "answer:redirect:location",
        "A redirect names its target; 307, the default, lets clients keep method and body.",
        "RFC 9110 section 15.4",
    ),
    Requirement(
        "answer:informational:order", "Interim answers come before the final one, in order.", "RFC 9110 section 15.2"
    ),
    Requirement(
        "answer:informational:http-10",
        "No interim answer is sent to an HTTP/1.0 client.",
        "RFC 9110 section 15.2",
        needs=("http-10",),
    ),
    Requirement(
        "answer:gzip:negotiated",
        "A body is compressed for those whose Accept-Encoding allows gzip, and Vary tells caches.",
        "RFC 9110 sections 12.5.3 and 12.5.5",
    ),
    Requirement("answer:gzip:empty", "An answer without body is not compressed.", "RFC 9110 section 6.4.1"),
    Requirement("answer:gzip:head", "The head of a compressed answer is the same for HEAD.", "RFC 9110 section 9.3.2"),
)

_STREAMS = (
    Requirement("answer:chunks:boundaries", "Each piece is a chunk, with exactly its bytes.", "RFC 9112 section 7.1"),
    Requirement(
        "answer:chunks:http-10",
        "An HTTP/1.0 client gets pieces without chunks, ended by the connection.",
        "RFC 9112 section 6.1",
        needs=("http-10",),
    ),
    Requirement("answer:chunks:head", "HEAD on a body in pieces gets the fields of GET.", "RFC 9110 section 9.3.2"),
    Requirement(
        "answer:trailers:sent",
        "Trailers follow a body of any kind, which is chunked then.",
        "RFC 9112 section 7.1.2",
    ),
    Requirement(
        "answer:trailers:http-10", "An HTTP/1.0 client gets no trailers.", "RFC 9112 section 6.1", needs=("http-10",)
    ),
    Requirement(
        "answer:stream:sources", "Lists, generators, async generators and functions that return them give pieces."
    ),
    Requirement("answer:stream:repeatable", "A source that can be read once is sent to every request all the same."),
    Requirement("answer:stream:piece-by-piece", "A piece is sent before the next one is there."),
    Requirement("answer:stream:concurrent", "Readers at the same time each get every piece."),
    Requirement("answer:stream:client-leaves", "A client that leaves does not end the iterator for the others."),
    Requirement("answer:stream:stalls-nobody", "A source that blocks holds up no other connection."),
    Requirement(
        "answer:stream:fails",
        "A source that raises cuts the connection, fails the test, and does so for every reader.",
        needs=("raw-bytes",),
    ),
    Requirement("answer:stream:endless", "A source without end is read no longer than its client is there."),
    Requirement("answer:file:whole", "A file is sent with its length."),
    Requirement("answer:file:read-when-sent", "A file is read when it is sent."),
    Requirement("answer:file:gone", "A file that is gone cuts the connection and fails the test."),
    Requirement("answer:ndjson:lines", "Each JSON value is a line and a chunk."),
    Requirement("answer:sse:fields", "An event has data, event, id and retry fields.", "WHATWG HTML section 9.2.5"),
    Requirement("answer:sse:lines", "Data of several lines arrives with the same lines.", "WHATWG HTML section 9.2.6"),
    Requirement("answer:sse:comments", "Comments are sent and are no events.", "WHATWG HTML section 9.2.5"),
    Requirement("answer:sse:cut", "A stream that is cut after n events ends inside its body."),
    Requirement(
        "answer:sse:resumes",
        "A request with Last-Event-ID continues after that event.",
        "WHATWG HTML section 9.2.3",
    ),
    Requirement(
        "answer:sse:wrong-id",
        "A Last-Event-ID other than the last one sent is answered with 400 and fails the test.",
    ),
    Requirement("answer:sse:many-clients", "Clients of one stream do not spoil each other's place in it."),
    Requirement("answer:sse:no-resume", "A stream with resume=False starts over for every request."),
)

_COMPUTED = (
    Requirement("answer:responder:answers", "A function of the request, plain or async, answers."),
    Requirement("answer:responder:any-answer", "What a function returns may be any answer, faults and streams too."),
    Requirement(
        "answer:responder:raises",
        "A function that raises, or returns no answer, is answered for with 500 and fails the test.",
    ),
    Requirement("answer:responder:stalls-nobody", "Functions that block hold up no other connection."),
    Requirement(
        "answer:early:before-body",
        "An early answer comes before the body of the request.",
        "RFC 9112 section 9.3",
        needs=("parser",),
    ),
    Requirement(
        "answer:early:connection-usable",
        "A client that sends its body after an early answer can use the connection again.",
        "RFC 9112 section 9.3",
        needs=("parser",),
    ),
    Requirement(
        "answer:early:expect",
        "A client that expects 100 gets the early answer in its place, and the connection ends.",
        "RFC 9110 section 10.1.1",
        needs=("parser",),
    ),
    Requirement(
        "answer:early:no-reset",
        "An early answer that ends the connection is not lost to a client that is still sending.",
        "RFC 9112 section 9.6",
        needs=("parser",),
    ),
    Requirement(
        "answer:early:broken-body", "A body that breaks after an early answer ends the connection.", needs=("parser",)
    ),
    Requirement(
        "answer:early:broken-condition", "A condition that raises before the body is there is answered for with 500."
    ),
    Requirement("answer:early:sequence", "Only those answers of a sequence are early that say so.", needs=("parser",)),
)

_CONNECTIONS = (
    Requirement("connection:keep-alive:default", "A connection is kept.", "RFC 9112 section 9.3"),
    Requirement("connection:close:by-client", "A client that sends close is closed.", "RFC 9112 section 9.6"),
    Requirement("connection:close:by-answer", "An answer with Connection close ends it.", "RFC 9112 section 9.6"),
    Requirement(
        "connection:http-10:closes", "An HTTP/1.0 connection is closed.", "RFC 9112 section 9.3", needs=("http-10",)
    ),
    Requirement(
        "connection:http-10:kept",
        "An HTTP/1.0 connection is kept for those who ask.",
        "RFC 9112 section 9.3",
        needs=("http-10",),
    ),
    Requirement(
        "connection:pipelining:order",
        "Pipelined requests are answered in the order of their arrival.",
        "RFC 9112 section 9.3.2",
    ),
    Requirement(
        "connection:pipelining:close", "What comes behind the end of a connection is neither answered nor counted."
    ),
    Requirement("connection:counters:opened-and-reused", "Connections, and requests that re-used one, are counted."),
    Requirement("connection:counters:leaked", "Connections that clients left open are counted."),
    Requirement("connection:counters:reset", "A reset counts anew, and keeps connections open."),
    Requirement(
        "connection:ipv6:served",
        "A server can be on an IPv6 address, in brackets in its URL.",
        "RFC 3986 section 3.2.2",
        needs=("socket",),
    ),
    Requirement("gate:hold-until:together", "Requests wait until so many are there, then all are answered."),
    Requirement("gate:hold:release-n", "A held route lets so many through, the longest waiting first."),
    Requirement("gate:hold:open-for-good", "A released route holds nobody any more."),
    Requirement("gate:hold:others-pass", "A held route holds no other route."),
    Requirement("gate:client:leaves", "A client that goes away waits no longer, and does not count."),
    Requirement("gate:server:closes", "The end of the server ends the waiting."),
    Requirement("connect:refused:at-once", "A RefusedPort refuses connections, and keeps its port.", needs=("socket",)),
    Requirement("connect:silent:accepts", "A SilentPort accepts connections and sends nothing.", needs=("socket",)),
    Requirement("connect:unanswered:never", "A connection to an UnansweredPort is never completed.", needs=("socket",)),
    Requirement("connect:any:freed", "Closing gives the port back and lets go who waits there.", needs=("socket",)),
)

_TIME = (
    Requirement("time:delay:never-short", "No byte of an answer comes before its delay is over."),
    Requirement("time:delay:from-the-end-of-the-request", "A delay counts from the last byte of the request."),
    Requirement("time:delay:others-pass", "A delayed answer holds up no other connection."),
    Requirement("time:delay:drawn", "A delay may be drawn: uniform, normal or log-normal, never below zero."),
    Requirement(
        "time:seed:same-draws", "The same seed gives each call of a route the same draw, whatever comes between."
    ),
    Requirement("time:head:delay", "The head can come later than the interim answers before it."),
    Requirement("time:body:delay", "The body can come later than the head."),
    Requirement("time:trailers:delay", "The trailers can come later than the body."),
    Requirement("time:dribble:pieces", "A body dribbles in as many pieces, over as long, as was said."),
    Requirement("time:throttle:down", "A body is sent no faster than so many bytes a second."),
    Requirement(
        "time:throttle:up", "Bodies of requests are read no faster than so many bytes a second.", needs=("socket",)
    ),
    Requirement("time:accept:slow", "Nothing is read from a new connection for so long."),
    Requirement("time:stream:paced", "Pieces and events come with their pause between them."),
    Requirement("time:hang:released", "An answer that hangs does so until client or server end the connection."),
)

_FAULTS = (
    Requirement(
        "fault:connection-reset-by-peer:bytes",
        "The connection is reset (RST) without a byte.",
        "WireMock",
        needs=("raw-bytes",),
    ),
    Requirement(
        "fault:empty-response:bytes", "The connection is closed (FIN) without a byte.", "WireMock", needs=("raw-bytes",)
    ),
    Requirement(
        "fault:malformed-response-chunk:bytes",
        "A good head with Transfer-Encoding chunked, then bytes that are no chunk, then the end.",
        "RFC 9112 section 7.1",
        needs=("raw-bytes",),
    ),
    Requirement(
        "fault:random-data-then-close:bytes", "Bytes that are no HTTP, then the end.", "WireMock", needs=("raw-bytes",)
    ),
    Requirement(
        "fault:bad-gzip:bytes",
        "Content-Encoding gzip over bytes that cannot be decompressed, in good framing.",
        "RFC 1952",
        needs=("raw-bytes",),
    ),
    Requirement(
        "fault:invalid-json:bytes",
        "Type application/json over JSON that breaks off, in good framing.",
        "ours",
        needs=("raw-bytes",),
    ),
    Requirement(
        "fault:invalid-utf8:bytes",
        "Charset utf-8 over bytes that are not, in good framing.",
        "ours",
        needs=("raw-bytes",),
    ),
    Requirement(
        "fault:duplicate-content-length:bytes",
        "Two Content-Length fields that differ.",
        "RFC 9112 section 6.3",
        needs=("raw-bytes",),
    ),
    Requirement(
        "fault:oversized-header:bytes",
        "A field of 256 KiB in an answer that is good otherwise.",
        "ours",
        needs=("raw-bytes",),
    ),
    Requirement(
        "fault:garbage-status-line:bytes",
        "A first line that is no status line, then the end.",
        "ours",
        needs=("raw-bytes",),
    ),
    Requirement(
        "fault:half-close:bytes",
        "A whole answer, then the end of what is sent; what the client sends is still read.",
        "ours",
        needs=("raw-bytes", "half-close"),
    ),
    Requirement(
        "fault:silent-close:bytes",
        "A whole answer without Connection close, then the end (FIN).",
        "ours",
        needs=("raw-bytes",),
    ),
    Requirement("fault:hang:bytes", "Nothing, on a connection that stays open.", "ours", needs=("raw-bytes",)),
    Requirement(
        "fault:truncated:bytes",
        "The whole length promised, the first bytes of the body, then the end (FIN).",
        "ours",
        needs=("raw-bytes",),
    ),
    Requirement(
        "fault:stalled:bytes",
        "The whole length promised, the first bytes of the body, then nothing, on an open connection.",
        "ours",
        needs=("raw-bytes",),
    ),
    Requirement(
        "fault:wrong-length:bytes",
        "A whole body under a length that is too large (then silence) or too small (then the end).",
        "ours",
        needs=("raw-bytes",),
    ),
    Requirement("fault:truncated:reset", "A truncated body may end by reset (RST).", needs=("raw-bytes",)),
    Requirement("fault:body:default", "A fault of the body has one to break, if none is given."),
    Requirement("fault:status:kept", "A fault of body or framing keeps status, reason and fields."),
    Requirement("fault:head:no-body", "HEAD gets no body, whatever else is wrong.", "RFC 9110 section 9.3.2"),
    Requirement("fault:delay:first", "A fault comes after the delay of its answer."),
    Requirement("fault:informational:first", "Interim answers come before a fault."),
    Requirement("fault:request:recorded", "A request is recorded whatever becomes of it, and the server lives on."),
    Requirement("fault:request:status", "A captured request has the status that was sent, None if none was."),
    Requirement("fault:when:kth-call", "A fault may strike the k-th calls of a route."),
    Requirement("fault:when:outage", "A fault may strike during a stretch of time."),
    Requirement("fault:when:probability", "A fault may strike with a probability."),
    Requirement("fault:when:seeded", "The same seed strikes the same calls of a route, whatever comes between."),
    Requirement("fault:when:all-conditions", "Conditions given together must all hold."),
    Requirement("fault:when:server-wide", "A fault of the server strikes every route, each by its own count."),
    Requirement("fault:when:own-first", "A fault of the route comes before one of the server, the first said first."),
    Requirement("fault:fail:times", "A route fails so many times, then goes on as registered."),
)

_LIMITS = (
    Requirement("limit:refusal:beyond", "Requests beyond the rate are answered with 429.", "RFC 6585 section 4"),
    Requirement(
        "limit:fields:always",
        "Answers say limit, what is left and when it is whole again; refusals how long to wait, in whole seconds.",
        "RFC 9110 section 10.2.3, and GitHub for X-RateLimit",
    ),
    Requirement("limit:fields:fixed-window", "A fixed window is whole again at one moment."),
    Requirement("limit:fields:token-bucket", "A token bucket is whole again later with each request."),
    Requirement("limit:waiting:enough", "A client that waits as told is let through."),
    Requirement("limit:key:apart", "Requests are counted apart for each value of the key."),
    Requirement("limit:routes:only", "Only the routes named are limited, together; what matches no route never is."),
    Requirement("limit:refusal:own", "A refusal of one's own takes the place of the 429, with the fields."),
    Requirement("limit:several:all", "Several limits must all let a request through."),
    Requirement("limit:reset:ends", "A reset of the server ends its limits."),
    Requirement(
        "limit:route:untouched",
        "A limit changes nothing of what a route gives: sequences, gates, streams and draws are as without it.",
    ),
    Requirement("limit:fields:responder", "Answers of functions have the fields too."),
    Requirement("limit:key:raises", "A key that raises is answered for with 500 and fails the test."),
)

REQUIREMENTS = (*_WHOLE, *_STREAMS, *_COMPUTED, *_TIME, *_FAULTS, *_LIMITS, *_CONNECTIONS)
