/*
 * server.h - the front door of one worker: listening sockets in, exchanges out.
 */
#ifndef PLAZA_HTTP_SERVER_H
#define PLAZA_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/loop.h"
#include "config/config.h"
#include "http/route.h"
#include "proc/address_count.h"

struct access_log;
struct http_server;

/*
 * `config`, `routes` and `addresses` must live as long as the server; `addresses` may be NULL, then
 * http.max_connections_per_address is without effect. NULL on failure, logged. The descriptors that
 * http.max_connections = auto may count on are the soft RLIMIT_NOFILE at this moment.
 */
struct http_server *http_server_new(struct loop *loop, const struct config *config,
				    const struct route_table *routes,
				    struct address_count *addresses);

/* Answers from here on are logged there. It must live until the server is freed. */
void http_server_set_access_log(struct http_server *server, struct access_log *log);

/*
 * Every connection must be gone (http_server_drain, http_server_abort), and the loop must have run
 * for the last time: the end of a pass is hooked. Exchanges that are still pending may be answered
 * afterwards.
 */
void http_server_free(struct http_server **server);

/*
 * Starts accepting on `fd` (non-blocking, stays the caller's). What matters of the address is
 * copied. Idempotent per fd. False on failure, logged.
 */
bool http_server_listen(struct http_server *server, int fd, const struct listen_address *address);
/* Stops accepting on `fd`; connections made stay. Idempotent. */
void http_server_unlisten(struct http_server *server, int fd);

/*
 * Takes nothing new: unlistens all, closes idle connections, ends the others with
 * "Connection: close" after the answer in hand. A connection that was used within the last second
 * has a second more: its client may be sending already, and would see a failure. `drained` is
 * called once, from the loop, when no connection is left.
 */
void http_server_drain(struct http_server *server, void (*drained)(void *ctx), void *ctx);

/* Closes every connection now. Deferred exchanges are told (on_gone) and must still be answered. */
void http_server_abort(struct http_server *server);

size_t http_server_connections(const struct http_server *server);

#endif
