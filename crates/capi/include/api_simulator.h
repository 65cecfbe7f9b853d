/*
 * The C ABI of api-simulator's native HTTP engine.
 *
 * Threads: every function may be called from any thread, and from several at once, except the two that free.
 * Only asim_wait blocks for long; asim_close blocks until connections have ended, at most ten seconds.
 * Memory: what is passed in is read during the call and copied; what is returned as a pointer belongs to the
 * caller until it is given to the function named there. A pointer given to a function that frees it must not be
 * used again. NULL where a pointer is expected is refused, except for the functions that free, which do nothing.
 * Errors: by the values named below. No panic leaves the library; it is reported as the error value.
 * After fork() nothing of the parent's may be used in the child: its threads are not there.
 */
#ifndef API_SIMULATOR_H
#define API_SIMULATOR_H

#include <stddef.h>
#include <stdint.h>

/* Grows with every incompatible change; a loader refuses any other than its own. */
#define ASIM_ABI_VERSION 2

typedef struct asim_runtime asim_runtime;
typedef struct asim_server asim_server;
typedef struct asim_segment asim_segment;

/* Return the library's ABI version: the first thing a loader calls. */
uint32_t asim_abi_version(void);

/* Make the queue that tells which servers want attention; NULL on failure. Free with asim_runtime_free. */
asim_runtime *asim_runtime_new(void);

/* Free a runtime (NULL: nothing). Servers that were started with it may live on. */
void asim_runtime_free(asim_runtime *runtime);

/* Block until a server wants attention, and return its number; 0 after asim_wake, -1 after timeout_ms. */
int64_t asim_wait(asim_runtime *runtime, uint32_t timeout_ms);

/* End one asim_wait, running or next. */
void asim_wake(asim_runtime *runtime);

/*
 * Serve a listening socket, which belongs to the library from now on, also on failure.
 *
 * number: what asim_wait returns for this server, 1 or more.
 * max_requests, max_body_bytes: so much is kept of what nobody has drained; more is dropped and counted.
 * Returns NULL if there are no descriptors or threads left. Close it with asim_close, then free it.
 */
asim_server *asim_serve(asim_runtime *runtime, int64_t listener, uint64_t number, uint64_t max_requests,
                        uint64_t max_body_bytes);

/* Stop listening and end every connection; returns 1 when all descriptors are closed, 0 if some are not after 10 s. */
int32_t asim_close(asim_server *server);

/* Free a closed server (NULL: nothing). */
void asim_server_free(asim_server *server);

/* End every connection: idle ones in order, busy ones by RST. The listener stays. */
void asim_drop_connections(asim_server *server);

/*
 * Add a route of so many answers, with counters to go on from, and return its number; -1 on failure.
 *
 * then: what comes when they are used up: 0 the last again, 1 from the first again, 2 it is handed off.
 */
int64_t asim_route(asim_server *server, uint32_t answers, uint32_t then, uint64_t calls, uint64_t position);

/*
 * Give a route the program of its next answer, in one form; called once for each answer, in order.
 *
 * form: bit 0 HEAD, bit 1 the connection is kept, bit 2 HTTP/1.0.
 * program: steps of an operation (1 byte) and an argument (4 bytes, little endian): 1 send so many bytes, which
 * follow; 2 wait so many milliseconds; 3 close; 4 reset; 5 close the sending side; 6 hang; 7 read the body and ask
 * again. Returns 0 if it is none, or there is no such route.
 */
int32_t asim_program(asim_server *server, uint32_t route, uint32_t form, const uint8_t *program, size_t size);

/* Let a route answer "METHOD path", path without query and as received; entry is what records call it. */
void asim_entry(asim_server *server, uint32_t entry, uint32_t route, const uint8_t *key, size_t size);

/*
 * asim_route, asim_program and asim_entry in one call, for a route of one answer: most are, and registering is mostly
 * calls. Returns the route's number; -1 on failure, and then nothing is added.
 */
int64_t asim_mount(asim_server *server, uint32_t then, uint64_t calls, uint64_t position, uint32_t form,
                   const uint8_t *program, size_t size, uint32_t entry, const uint8_t *key, size_t key_size);

/* Hand off "METHOD path" from now on; with NULL, everything. Routes keep their counters. */
void asim_forget(asim_server *server, const uint8_t *key, size_t size);

/*
 * End a route to which no key leads any more: its counters are gone, its programs when nothing answers with them.
 *
 * Its number is given again, and -1 or 0 is what functions say of it until then. Without asim_route_end a route and its
 * counters stay as long as the server, also behind a reset.
 */
void asim_route_end(asim_server *server, uint32_t route);

/*
 * Read or use a route's counters: what 0 returns its calls, 1 its position; 2 counts a call, 3 takes an answer.
 *
 * Returns the value after counting, before taking; -1 if there is no such route.
 */
int64_t asim_turn(asim_server *server, uint32_t route, uint32_t what);

/*
 * Change a setting: 0 milliseconds for which nothing is read from a new connection; 1 bytes of bodies read in a
 * second (0: no limit); 2 whether requests are handed off by their heads first; 3 whether every change is told.
 */
void asim_set(asim_server *server, uint32_t setting, uint64_t value);

/* Forget routes and requests; what arrives from now on belongs to this generation. */
void asim_reset(asim_server *server, uint64_t generation);

/*
 * Return a number: 0 plain requests not drained (-1: others are among them), 1 connections opened since the last
 * reset, 2 connections open, 3 routes that were added and have not ended.
 */
int64_t asim_count(asim_server *server, uint32_t what);

/*
 * Take the oldest part of what happened: records as described in the crate engine, src/log.rs; NULL if there is
 * nothing. *data and *size are set to its bytes, which live until asim_segment_free.
 */
asim_segment *asim_drain(asim_server *server, const uint8_t **data, size_t *size);

/* Free a segment (NULL: nothing). */
void asim_segment_free(asim_segment *segment);

/*
 * Give a part of the answer to a request that was handed off.
 *
 * flags: bit 0 it is the last one; bit 1 whoever calls notes the end itself. Returns 1, or 0 if its client is gone,
 * -1 if program is none.
 */
int32_t asim_answer(asim_server *server, uint64_t sequence, const uint8_t *program, size_t size, uint32_t flags);

#endif
