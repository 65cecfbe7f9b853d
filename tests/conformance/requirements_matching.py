"""Which route answers, what is captured, what is counted, waited for and verified."""

from __future__ import annotations

from tests.conformance.manifest import Requirement

_RAW = ("raw-bytes",)
_PARSER = ("parser",)
_SOCKET = ("socket",)

_ROUTES = (
    Requirement("route:order:last-wins", "Among the routes that match, the one registered last answers."),
    Requirement("route:order:priority", "The route with the higher priority answers, whenever it was registered."),
    Requirement("route:order:equal-priority", "Among routes of one priority the one registered last answers."),
    Requirement("route:order:falls-through", "A route whose condition fails leaves the request to the next one."),
    Requirement("route:replace:same-pattern", "The same method, path and conditions again replace the route."),
    Requirement(
        "route:replace:other-pattern", "Patterns that could match different requests never replace each other."
    ),
    Requirement("route:live:while-serving", "Routes may be registered at any time, also between two requests."),
    Requirement("route:method:only-its-own", "A route answers its own method and no other."),
    Requirement("route:method:short-forms", "Each short form is the method of its name."),
    Requirement("route:method:any", "`*` stands for every method, also for one that no standard names."),
    Requirement("route:method:case", "Methods are registered, received and filtered in any case."),
    Requirement(
        "route:head:by-get", "HEAD is answered by the GET route, with its fields and without body.", "RFC 9110 9.3.2"
    ),
    Requirement("route:head:own-route-first", "A HEAD or `*` route that matches answers HEAD before any GET route."),
    Requirement("route:mounted:tells-its-calls", "A mounted route knows how often it was called, and by what."),
    Requirement("sequence:end:last-repeats", "A sequence that is used up keeps giving its last answer."),
    Requirement("sequence:end:cycles", "A sequence that is used up begins again if it is to cycle."),
    Requirement("sequence:end:error", "A sequence that may not end answers 500 then, and that fails the test."),
    Requirement("sequence:items:any-answer", "A sequence may hold statuses, specs and functions."),
    Requirement("sequence:count:per-route", "Each route goes through its sequence by itself."),
    Requirement("fail:times:then-as-registered", "`fail` answers the next requests with a failure, then goes on."),
    Requirement("fail:times:uses-up-nothing", "Failures count as calls and use up nothing of a sequence."),
    Requirement("fail:spec:whole-answer", "A failure may be any answer."),
)

_PATHS = (
    Requirement("match:path:literal", "A literal path is matched as a whole and in its case."),
    Requirement("match:path:trailing-slash", "A trailing slash matters."),
    Requirement("match:path:percent-decoded", "Paths are compared percent-decoded.", "RFC 3986 6.2.2.2"),
    Requirement("match:path:encoded-slash", "An encoded slash is data and separates no segments.", "RFC 3986 2.2"),
    Requirement("match:path:not-utf8", "Encoded bytes that are not UTF-8 stay encoded, and no others.", needs=_PARSER),
    Requirement("match:path:asterisk", "The asterisk form is the path `*`.", "RFC 9112 3.2.4", needs=_PARSER),
    Requirement("match:path:template", "A parameter of a template stands for a segment or a part of one."),
    Requirement("match:path:template-types", "A typed parameter takes only texts of its type and gives values of it."),
    Requirement("match:path:template-braces", "Doubled braces are literal."),
    Requirement("match:path:regex", "An expression matches the whole decoded path."),
    Requirement("match:path:regex-groups", "Named groups of an expression are path parameters."),
    Requirement("match:path:regex-flags", "A compiled expression keeps its flags."),
    Requirement("match:path:regex-timeout", "An expression that takes too long is an error that names its route."),
    Requirement("match:path:glob", "A glob stands for paths: `*`, `**`, `?` and classes."),
    Requirement("match:path:query-ignored", "A path without query matches whatever the query."),
    Requirement("match:path:refused", "A path that can match nothing is refused where it is registered."),
)

_FIELDS = (
    Requirement("match:query:in-path", "`?a=1` in a registered path asks for exactly that query."),
    Requirement("match:query:partial", "`query(name, value)` asks for a parameter among others."),
    Requirement("match:query:present", "`query(name)` asks for a parameter with any value."),
    Requirement("match:query:absent", "`query(name, ABSENT)` asks that a parameter not be there."),
    Requirement("match:query:repeated", "A list asks for each of its values; exactly, for these in their order."),
    Requirement("match:query:exact", "`exact=True` refuses what is not named, also for an empty query."),
    Requirement("match:query:regex", "A parameter may be asked for by expression or by a part of it."),
    Requirement("match:query:decoded", "Parameters are compared decoded; `+` is a space.", "WHATWG URL 5.1"),
    Requirement("match:header:any-case", "Field names match in any case, values in theirs.", "RFC 9110 5.1"),
    Requirement("match:header:present", "`header(name)` asks for a field with any value, also an empty one."),
    Requirement("match:header:repeated", "Of a repeated field each line counts, and all joined.", "RFC 9110 5.3"),
    Requirement("match:header:regex", "A field may be asked for by expression or by a part of it."),
    Requirement("match:header:regex-timeout", "An expression that takes too long hurts its own route only."),
    Requirement("match:header:absent", "`header(name, ABSENT)` asks that a field not be there."),
    Requirement("match:cookie:value", "A cookie is found among others, in its case.", "RFC 6265 5.4"),
    Requirement("match:cookie:regex", "A cookie may be asked for by expression."),
    Requirement("match:cookie:absent", "`cookie(name, ABSENT)` asks that a cookie not be there."),
    Requirement("match:auth:basic", "Basic credentials are compared decoded.", "RFC 7617 2"),
    Requirement("match:auth:basic-broken", "Credentials that cannot be decoded match nothing.", "RFC 7617 2"),
    Requirement("match:auth:bearer", "A bearer token is any, or this one; the scheme's case is free.", "RFC 6750 2.1"),
    Requirement("match:auth:bearer-regex", "An expression for a bearer token is about the token alone."),
)

_BODIES = (
    Requirement("match:body:text", "The body as text is equal to a text, in its own charset."),
    Requirement("match:body:bytes", "The body is exactly these bytes."),
    Requirement("match:body:contains", "The body has a part."),
    Requirement("match:body:regex", "An expression is found in the body."),
    Requirement("match:body:regex-timeout", "An expression that takes too long is an error that names its route."),
    Requirement("match:body:coded", "Conditions see the body with its content codings undone.", "RFC 9110 8.4"),
    Requirement("match:body:undecodable", "A body that cannot be decoded matches nothing and stops nothing."),
    Requirement("match:json:exact", "A JSON body is compared by value: order of keys and white space do not matter."),
    Requirement("match:json:types", "Numbers compare by value, but never equal `true`, `false` or text."),
    Requirement("match:json:null", "JSON `null` is a value of its own."),
    Requirement("match:json:partial", "A partial JSON body may have more keys, at any depth, but no more items."),
    Requirement("match:json:as-sent", "A JSON condition means what a client would send for the same value."),
    Requirement("match:json:path", "A JSONPath finds something, or this value.", "RFC 9535"),
    Requirement("match:json:schema", "A JSON Schema accepts the body.", "JSON Schema 2020-12"),
    Requirement("match:json:schema-local", "A schema's reference to another document is never fetched."),
    Requirement("match:form:fields", "Fields of an URL-encoded form are matched like parameters.", "WHATWG URL 5.1"),
    Requirement("match:form:content-type", "A body is a form only if its content type says so."),
    Requirement("match:multipart:fields", "Plain fields of a multipart form are matched.", "RFC 7578"),
    Requirement("match:multipart:files", "Files of a multipart form are matched, and are no fields.", "RFC 7578"),
    Requirement("match:logic:and", "`a & b` asks for both."),
    Requirement("match:logic:or", "`a | b` asks for either."),
    Requirement("match:logic:not", "`~a` asks for the contrary."),
    Requirement("match:predicate:says", "A predicate decides by the captured request."),
    Requirement("match:predicate:raises", "A predicate that raises is a 500 and fails the test with what was raised."),
    Requirement("match:condition:refused", "A condition that means nothing is refused where it is made."),
)

_UNMATCHED = (
    Requirement("unmatched:answer:not-found", "An unmatched request gets a 404 whose JSON body explains it."),
    Requirement("unmatched:nearest:three", "At most three routes are named, the nearest first, hopeless ones not."),
    Requirement("unmatched:nearest:differences", "Each near miss says what differs, in the words of its condition."),
    Requirement("unmatched:nearest:json", "A JSON body that differs is explained place by place."),
    Requirement("unmatched:nearest:secrets", "The explanation repeats no password that was asked for."),
    Requirement("unmatched:nearest:none", "Without any route the explanation says so."),
    Requirement("unmatched:line:registers", "The explanation has the line of Python that would register a route."),
    Requirement("unmatched:condition:raises", "A condition that raises while misses are explained stops nothing."),
    Requirement("unmatched:verdict:fails", "An unmatched request fails the verification, once."),
    Requirement("unmatched:verdict:allowed", "`strict=False` or `expect_unmatched(n)` allows unmatched requests."),
)

_CAPTURED = (
    Requirement("captured:form:mapping", "A captured request is an object and a read-only dict with the same values."),
    Requirement("captured:target:raw", "The request target is kept as received.", "RFC 9112 3.2", _PARSER),
    Requirement("captured:target:not-utf8", "Bytes of a target that are not UTF-8 are percent-encoded.", needs=_PARSER),
    Requirement("captured:head:raw", "The head is kept as received, byte by byte.", needs=_PARSER),
    Requirement("captured:head:pipelined", "Each of several requests in one packet has its own head.", needs=_PARSER),
    Requirement("captured:headers:raw", "Fields are kept in the order and case received, repeats apart.", needs=_RAW),
    Requirement("captured:headers:view", "Fields are found in any case; repeated ones are joined.", "RFC 9110 5.2"),
    Requirement("captured:headers:encodings", "Field values are read as UTF-8 or Latin-1.", "RFC 9110 5.5", _PARSER),
    Requirement("captured:query:view", "The query is a mapping of first values with all values behind it."),
    Requirement("captured:cookies:view", "Cookies are a mapping of first values with all values behind it."),
    Requirement("captured:body:views", "The body can be read as bytes, text and JSON."),
    Requirement("captured:body:coded", "`body` has content codings undone, `raw_body` is as received.", "RFC 9110 8.4"),
    Requirement("captured:body:undecodable", "A body that cannot be decoded says why; `raw_body` always works."),
    Requirement("captured:body:bomb", "A body that grows beyond all bounds when decoded is refused, not expanded."),
    Requirement("captured:version:as-sent", "The HTTP version is the client's.", "RFC 9112 2.3", _PARSER),
    Requirement("captured:connection:place", "A request knows its connection and its place on it.", needs=_SOCKET),
    Requirement("captured:number:order", "Requests are numbered in the order of their arrival, from 1."),
    Requirement("captured:stamps:order", "A request is stamped when accepted, at its head's end, whole, and answered."),
    Requirement("captured:stamps:upload", "The stamps tell a slow upload from a slow answer.", needs=_PARSER),
    Requirement("captured:status:answered", "A request knows the status and the spec that it was answered with."),
    Requirement("captured:aborted:by-client", "A client that goes away before its answer is noted.", needs=_SOCKET),
    Requirement("captured:params:of-route", "Path parameters are those of the route that answered."),
    Requirement("captured:curl:same-request", "The command of `as_curl` sends the same request again.", needs=_SOCKET),
)

_JOURNAL = (
    Requirement("journal:record:before-answer", "A request is recorded before the first byte of its answer leaves."),
    Requirement("journal:record:order", "Requests are listed in the order of their arrival, from all connections."),
    Requirement("journal:record:unmatched", "Unmatched requests are in the journal too."),
    Requirement("journal:filter:method-path", "Requests are listed and counted by method, path and query."),
    Requirement("journal:count:concurrent", "No request is lost or counted twice, however many come at once."),
    Requirement("journal:bound:entries", "The oldest requests are dropped beyond the bound; counts stay exact."),
    Requirement("journal:bound:bytes", "The oldest requests are dropped beyond so many bytes of bodies."),
    Requirement(
        "journal:bound:early-bodies", "A body that comes after its answer counts for the bound too.", needs=_PARSER
    ),
    Requirement("journal:bound:newest-kept", "The newest request is kept, however large."),
    Requirement("journal:overflow:error", "A question that needs dropped requests is an error that names the option."),
    Requirement("journal:reset:forgets", "A reset forgets routes, requests and problems.", needs=_PARSER),
    Requirement("journal:reset:connections", "A reset keeps connections open.", needs=_SOCKET),
    Requirement(
        "journal:reset:in-flight", "A request under way at a reset is answered and not recorded.", needs=_PARSER
    ),
    Requirement("journal:malformed:apart", "What is no HTTP is kept apart and counts as no request.", needs=_PARSER),
    Requirement("journal:wait:arrived", "Waiting ends with the request waited for; earlier ones count."),
    Requirement("journal:wait:timeout", "Waiting in vain says what was waited for and what came instead."),
    Requirement("journal:wait:async", "Waiting on an event loop does not block it: asyncio and trio."),
    Requirement("journal:wait:condition", "`wait_until` looks again whenever something happens.", needs=_PARSER),
    Requirement(
        "journal:timeline:events", "The timeline has requests, answers and malformed input in order.", needs=_PARSER
    ),
)

_VERIFICATION = (
    Requirement("verify:expect:exact", "`expect(n)` asks for exactly so many calls."),
    Requirement("verify:expect:at-least", "`expect(at_least=n)` asks for so many calls or more."),
    Requirement("verify:expect:at-most", "`expect(at_most=n)` asks for so many calls or less."),
    Requirement("verify:expect:between", "`expect(at_least=m, at_most=n)` asks for a number between them."),
    Requirement("verify:expect:message", "A missed expectation names the route, where it was registered, and calls."),
    Requirement("verify:expect:at-exit", "Leaving the server's block checks what was expected."),
    Requirement("verify:expect:own-error", "An error of the block itself is not hidden by the check."),
    Requirement("verify:unused:choice", "Routes never called are listed, or fail if the server says so."),
    Requirement("verify:called:now", "`assert_called` checks the count at once."),
    Requirement("verify:not-called:now", "`assert_not_called` fails for a route that was called."),
    Requirement("verify:not-called:within", "`assert_not_called(within_s=…)` fails as soon as a call comes."),
    Requirement("verify:order:first-calls", "`assert_order` checks in which order routes were called."),
    Requirement("verify:soft:all-at-once", "Soft checks report everything that failed, once."),
    Requirement("verify:soft:other-errors", "Soft checks keep failed checks only; other errors go through."),
    Requirement("verify:backoff:waits", "`assert_backoff` checks the waits between requests, counted from answers."),
    Requirement("verify:retry-after:seconds", "`assert_honours_retry_after` reads seconds.", "RFC 9110 10.2.3"),
    Requirement("verify:retry-after:date", "`assert_honours_retry_after` reads dates.", "RFC 9110 10.2.3"),
    Requirement("verify:retry-after:nothing", "Without a `Retry-After` to honour the check fails."),
    Requirement("verify:interval:minimum", "`assert_min_interval` checks that requests keep their distance."),
    Requirement("verify:rate:maximum", "`assert_rate` checks that no stretch of time has too many requests."),
    Requirement("verify:in-flight:maximum", "`max_in_flight` counts requests answered at the same time."),
    Requirement("verify:connections:opened", "`assert_connections` knows how many were opened.", needs=_SOCKET),
    Requirement(
        "verify:connections:reused", "`assert_connections` knows how many requests re-used one.", needs=_SOCKET
    ),
    Requirement("verify:connections:open", "`assert_connections` finds connections left open.", needs=_SOCKET),
    Requirement("verify:pending:no-verb", "A route that was begun and never answered fails, and says where."),
    Requirement("verify:problem:responder", "A function that raises fails the test with its traceback."),
)

_PARSING = (
    Requirement("parse:body:length", "A body of a given length is read to its end.", "RFC 9112 6.2", _PARSER),
    Requirement(
        "parse:body:chunked", "A chunked body is read to its end, in pieces of any size.", "RFC 9112 7.1", _PARSER
    ),
    Requirement("parse:body:chunk-details", "Chunk extensions and trailers are read over.", "RFC 9112 7.1", _PARSER),
    Requirement(
        "parse:body:trailers-apart",
        "Trailers of one request are no fields of the next.",
        "RFC 9112 7.1.2",
        _PARSER,
        {"aiohttp": "its parser gives the trailers of a body to the request that comes in the same packet"},
    ),
    Requirement("parse:body:none", "Without length or coding there is no body.", "RFC 9112 6.3", _PARSER),
    Requirement("parse:pipeline:order", "Pipelined requests are answered in their order.", "RFC 9112 9.3.2", _PARSER),
    Requirement(
        "parse:pipeline:behind-slow", "No request is lost behind one that takes long.", "RFC 9112 9.3.2", _PARSER
    ),
    Requirement(
        "parse:target:absolute", "The absolute form is matched by its path and query.", "RFC 9112 3.2.2", _PARSER
    ),
    Requirement("parse:target:authority", "The authority form is captured as it is.", "RFC 9112 3.2.3", _PARSER),
    Requirement("parse:method:token", "Any token is a method.", "RFC 9110 9.1", _PARSER),
    Requirement("parse:head:split", "A head may come in pieces of any size.", needs=_PARSER),
    Requirement("parse:head:empty-lines", "Empty lines before a request are skipped.", "RFC 9112 2.2", _PARSER),
    Requirement("parse:head:limits", "A head beyond the limits is refused; one below is read.", "RFC 9112 3", _PARSER),
    Requirement(
        "parse:framing:ambiguous",
        "A request whose length can be read in two ways is refused.",
        "RFC 9112 6.3",
        needs=_PARSER,
    ),
    Requirement(
        "parse:framing:coding",
        "Transfer codings that do not end in one chunked, or come with HTTP/1.0, are refused.",
        "RFC 9112 6.3",
        needs=_PARSER,
    ),
    Requirement(
        "parse:framing:chunks",
        "A broken chunk ends the request, and nothing is captured.",
        "RFC 9112 7.1",
        needs=_PARSER,
    ),
    Requirement(
        "parse:framing:extensions",
        "What follows the size of a chunk is ;name or ;name=value, quoted or not, without whitespace.",
        "RFC 9112 7.1.1, which forbids the whitespace to clients",
        _PARSER,
    ),
    Requirement("parse:syntax:line-ends", "Lines end in CRLF and nothing else.", "RFC 9112 2.2", _PARSER),
    Requirement("parse:syntax:folding", "A field folded over two lines is refused.", "RFC 9112 5.2", _PARSER),
    Requirement("parse:syntax:fields", "A field that is none is refused.", "RFC 9112 5", _PARSER),
    Requirement("parse:syntax:host", "HTTP/1.1 without Host, or with two, is refused.", "RFC 9112 3.2", _PARSER),
    Requirement(
        "parse:syntax:request-line",
        "A request line that is none, or of another version, is refused.",
        "RFC 9112 3",
        _PARSER,
    ),
    Requirement(
        "parse:syntax:exact-line",
        "Between method, target and version is one space each, and none of the three is left out.",
        "RFC 9112 3",
        _PARSER,
    ),
    Requirement(
        "parse:refusal:in-time",
        "What can be no request is malformed when its head ends, or when the connection does; it may be earlier.",
        needs=_PARSER,
    ),
    Requirement(
        "parse:refusal:answer", "What is refused gets 400 and the end of its connection.", "RFC 9112 9.6", _PARSER
    ),
    Requirement("parse:refusal:kept", "What is refused is kept as malformed, with the reason.", needs=_PARSER),
    Requirement(
        "parse:refusal:others-unhurt", "A refusal takes nothing with it that came before or elsewhere.", needs=_PARSER
    ),
    Requirement("parse:refusal:slow-parser", "What one parser refuses no other accepts by leniency.", needs=_PARSER),
    Requirement(
        "parse:refusal:slow-extensions",
        "That is so for the extensions of chunks too.",
        "RFC 9112 7.1.1",
        _PARSER,
        {"aiohttp": "its second parser, which reads unknown methods, looks at no extension of a chunk"},
    ),
    Requirement(
        "parse:refusal:begun-chunk",
        "A line of a chunked body is refused when it shows that it is none, not when it ends.",
        needs=_PARSER,
    ),
    Requirement("engines:requests:same", "Engines read the same requests from the same bytes.", needs=_PARSER),
    Requirement(
        "engines:programs:same", "Engines give the same answers, byte for byte, and record the same.", needs=_PARSER
    ),
    Requirement(
        "parse:end:inside-request", "A request cut off by its client is malformed, not captured.", needs=_PARSER
    ),
    Requirement(
        "fuzz:input:bytes", "Whatever bytes arrive, the server lives on and ends the connection.", needs=_PARSER
    ),
    Requirement("fuzz:input:mutants", "A request with a few bytes changed is captured or malformed.", needs=_PARSER),
    Requirement("fuzz:input:pieces", "How requests are cut into packets changes nothing.", needs=_PARSER),
)

REQUIREMENTS = (
    *_ROUTES,
    *_PATHS,
    *_FIELDS,
    *_BODIES,
    *_UNMATCHED,
    *_CAPTURED,
    *_JOURNAL,
    *_VERIFICATION,
    *_PARSING,
)
