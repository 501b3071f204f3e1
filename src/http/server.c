/*
 * server.c - listening sockets and budgets: accepts, turns away what is too much, drains.
 */
#include "http/server.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "http/access.h"
#include "http/access_log.h"
#include "http/conn.h"
#include "http/conn_life.h"
#include "http/door.h"
#include "http/problem.h"
#include "http/reply.h"
#include "http/response.h"

/* Connections taken per readable event of a listening socket. */
#define ACCEPT_MAX 64
/* Over a limit, so many more are told so (503, 429) before others are just closed. */
#define TURN_AWAY_MAX 64
/* What a process needs besides connections: its loop, the database, the bells of the workers. */
#define SPARE_DESCRIPTORS 256
/* What a client that is told so without a place is heard of, in reads of the door's size. */
#define REFUSED_READS 4
/* How long nothing is accepted after the system has refused for want of memory or descriptors. */
#define PAUSE_MS 100
struct listener {
	struct listener *next;
	struct http_server *server;
	struct watch watch;
	int fd;
	bool is_unix;
	struct access_peer peer; /* is_local_peer is filled per connection */
};

/* What has become of a connection that there was no descriptor for. */
enum refusal {
	REFUSAL_DONE,
	REFUSAL_NOBODY, /* none was waiting */
	REFUSAL_FAILED
};

struct http_server {
	struct door door;
	struct listener *listeners;
	size_t max_connections;
	struct watch pause; /* running: all listeners rest */
	int reserve;        /* given up to accept once more when descriptors have run out */
	struct address_count *addresses; /* or NULL: they are not counted */
};

static int
open_reserve(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static size_t
connection_limit(const struct config *config)
{
	struct rlimit limit;

	if (config->http_max_connections)
		return (size_t)config->http_max_connections;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return 512;
	if (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur > 1000000)
		return 1000000;
	size_t n = (size_t)limit.rlim_cur;
	return n > 4 * SPARE_DESCRIPTORS ? n - SPARE_DESCRIPTORS - TURN_AWAY_MAX : n / 2;
}

static void
pause_cb(void *arg, short what)
{
	struct http_server *server = arg;

	(void)what;
	/* it may have been spent, and then there was none to make it anew */
	if (server->reserve < 0)
		server->reserve = open_reserve();
	for (struct listener *l = server->listeners; l; l = l->next)
		/* what the kernel refuses now it may grant later */
		if (!watch_start(&l->watch))
			watch_start_ms(&server->pause, PAUSE_MS);
}

static void
pause_accepting(struct http_server *server)
{
	for (struct listener *l = server->listeners; l; l = l->next)
		watch_stop(&l->watch);
	watch_start_ms(&server->pause, PAUSE_MS);
}

/* Whose socket it is; a unix socket's has no address. */
static void
read_address(const struct sockaddr_storage *addr, struct access_peer *peer)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (addr->ss_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, addr, sizeof(in));
		memcpy(peer->address, mapped, sizeof(mapped));
		memcpy(peer->address + sizeof(mapped), &in.sin_addr, 4);
		peer->port = ntohs(in.sin_port);
	} else if (addr->ss_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, addr, sizeof(in6));
		memcpy(peer->address, &in6.sin6_addr, sizeof(peer->address));
		peer->port = ntohs(in6.sin6_port);
	}
}

/*
 * No descriptor is left. A client in the queue would wait for nothing, and the listening socket
 * would stay readable: so the reserve is spent on an answer.
 */
static enum refusal
refuse_one(struct http_server *server, const struct listener *l)
{
	char body[256];
	int body_len =
	    snprintf(body, sizeof(body), "The server has no descriptor left.\nHint: %s\n",
		     problem_hint(503));
	const struct reply busy = {
	    .status = 503,
	    .content_type = "text/plain; charset=utf-8",
	    .body = {body, (size_t)body_len},
	    .fields = "Retry-After: 1\r\n",
	};
	struct door *door = &server->door;
	struct access_peer peer = l->peer;
	struct access_entry entry = {
	    .peer = &peer, .status = busy.status, .bytes_out = busy.body.len, .n_requests = 1};
	struct sockaddr_storage addr = {0};
	socklen_t addr_len = sizeof(addr);
	const struct response_head head = {
	    .connection = RESPONSE_CLOSE, .body = RESPONSE_WHOLE, .common = door_common(door)};

	if (server->reserve < 0)
		return REFUSAL_FAILED;
	close(server->reserve);
	int fd = accept4(l->fd, (struct sockaddr *)&addr, &addr_len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	/* the system looks for a descriptor before it looks into the queue */
	const bool is_nobody = fd < 0 && errno == EAGAIN;
	if (fd >= 0) {
		door->out.len = 0;
		if (response_write(&door->out, &busy, &head)) {
			(void)!send(fd, door->out.data, door->out.len, MSG_NOSIGNAL);
			shutdown(fd, SHUT_WR);
		}
		/* unread, its request would make the close a reset, which can destroy the answer */
		for (unsigned i = 0; i < REFUSED_READS; i++)
			if (recv(fd, door->in, door->in_size, 0) <= 0)
				break;
		read_address(&addr, &peer);
		if (door->access_log)
			access_log_add(door->access_log, &entry);
		close(fd);
	}
	server->reserve = open_reserve();
	if (server->reserve < 0 || (fd < 0 && !is_nobody))
		return REFUSAL_FAILED;
	return is_nobody ? REFUSAL_NOBODY : REFUSAL_DONE;
}

/* After a failed accept: whether to go on with the next one. */
static bool
accept_failed(struct http_server *server, const struct listener *l, int error)
{
	enum refusal refusal;

	switch (error) {
	case EAGAIN: return false;
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		if (door_may_log(&server->door, COMPLAINT_SYSTEM))
			log_warning("http: connections are refused: %s (%zu open; see "
				    "http.max_connections and RLIMIT_NOFILE)",
				    strerror(error), server->door.n_conns);
		refusal = error == EMFILE ? refuse_one(server, l) : REFUSAL_FAILED;
		if (refusal == REFUSAL_FAILED)
			pause_accepting(server);
		return refusal == REFUSAL_DONE;
	case EBADF:
	case EINVAL:
	case ENOTSOCK:
	case EOPNOTSUPP:
		/* not the client's doing, and it would come again at once, for ever */
		if (door_may_log(&server->door, COMPLAINT_SYSTEM))
			log_error("http: accept: %s", strerror(error));
		pause_accepting(server);
		return false;
	default:
		/* errors of one connection that is gone already (accept(2)), or EINTR */
		return true;
	}
}

static bool
is_loopback(const struct access_peer *peer)
{
	struct in6_addr address;

	memcpy(&address, peer->address, sizeof(address));
	if (IN6_IS_ADDR_V4MAPPED(&address))
		return address.s6_addr[12] == 127;
	return IN6_IS_ADDR_LOOPBACK(&address);
}

/* Tells a connection that is too much so; it counts for nothing, until there are many of those. */
static void
turn_away(struct http_server *server, int fd, const struct access_peer *peer, int status,
	  const char *message)
{
	struct door *door = &server->door;
	struct address_hold none = {0};

	if (door->n_turned_away >= TURN_AWAY_MAX) {
		close(fd);
		return;
	}
	struct conn *c = conn_open(door, fd, peer, &none);
	if (c)
		conn_turn_away(c, status, message);
}

/*
 * False: its address has too many, and it was answered. 429 and not 503: it is about this client
 * (RFC 6585 4), and who balances load must not take the server for overloaded.
 */
static bool
count_address(struct http_server *server, int fd, const struct access_peer *peer,
	      struct address_hold *hold)
{
	const uint64_t limit = server->door.config->http_max_connections_per_address;
	char name[ADDRESS_NAME_MAX];

	/* nobody can say whose connections a proxy on this machine makes */
	if (!server->addresses || peer->is_local_peer ||
	    address_hold_take(hold, server->addresses, peer->address, limit))
		return true;
	if (door_may_log(&server->door, COMPLAINT_ADDRESS))
		log_warning("http: connections of %s are answered 429: %llu are open, which is "
			    "http.max_connections_per_address",
			    address_count_name(peer->address, name), (unsigned long long)limit);
	turn_away(server, fd, peer, 429,
		  "Your address has as many connections here as one may have.");
	return false;
}

static void
take_connection(struct http_server *server, const struct listener *l, int fd,
		const struct sockaddr_storage *addr)
{
	struct door *door = &server->door;
	struct access_peer peer = l->peer;
	struct address_hold hold = {0};

	read_address(addr, &peer);
	/* a listener for all addresses is a loopback one too, for whoever comes in on loopback */
	peer.is_local_peer = l->is_unix || is_loopback(&peer);
	peer.on_loopback = peer.on_loopback || (peer.is_local_peer && !l->is_unix);
	if (!count_address(server, fd, &peer, &hold))
		return;
	if (door->n_conns - door->n_turned_away >= server->max_connections) {
		if (door_may_log(&server->door, COMPLAINT_CONNECTIONS))
			log_warning("http: connections are answered 503: %zu are open, which is "
				    "http.max_connections",
				    server->max_connections);
		address_hold_release(&hold);
		turn_away(server, fd, &peer, 503,
			  "All connections that this server has are taken.");
		return;
	}
	if (!conn_open(door, fd, &peer, &hold) && door_may_log(&server->door, COMPLAINT_MEMORY))
		log_warning("http: a connection is refused: out of memory");
}

static void
accept_cb(void *arg, short what)
{
	struct listener *l = arg;
	struct http_server *server = l->server;

	(void)what;
	for (unsigned i = 0; i < ACCEPT_MAX; i++) {
		struct sockaddr_storage addr = {0};
		socklen_t addr_len = sizeof(addr);
		int fd = accept4(l->fd, (struct sockaddr *)&addr, &addr_len,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0)
			take_connection(server, l, fd, &addr);
		else if (!accept_failed(server, l, errno))
			return;
	}
}

struct http_server *
http_server_new(struct loop *loop, const struct config *config, const struct route_table *routes,
		struct address_count *addresses)
{
	struct http_server *server = calloc(1, sizeof(*server));

	if (!server || !door_init(&server->door, loop, config, routes, &conn_door_calls)) {
		log_error("http: the server cannot be made: out of memory");
		if (server)
			door_fini(&server->door);
		free(server);
		return NULL;
	}
	server->addresses = addresses;
	server->max_connections = connection_limit(config);
	server->reserve = open_reserve();
	watch_init_timer(&server->pause, loop, "http accept pause", pause_cb, server);
	return server;
}

void
http_server_set_access_log(struct http_server *server, struct access_log *log)
{
	server->door.access_log = log;
}

void
http_server_free(struct http_server **server)
{
	if (!*server)
		return;
	while ((*server)->listeners)
		http_server_unlisten(*server, (*server)->listeners->fd);
	watch_stop(&(*server)->pause);
	if ((*server)->reserve >= 0)
		close((*server)->reserve);
	conn_leave_door(&(*server)->door);
	door_fini(&(*server)->door);
	free(*server);
	*server = NULL;
}

bool
http_server_listen(struct http_server *server, int fd, const struct listen_address *address)
{
	for (struct listener *l = server->listeners; l; l = l->next)
		if (l->fd == fd)
			return true;
	struct listener *l = calloc(1, sizeof(*l));
	int on = 1;
	if (!l) {
		log_error("http: %s: out of memory", address->text);
		return false;
	}
	l->server = server;
	l->fd = fd;
	l->is_unix = address->is_unix;
	l->peer.on_loopback = address->is_loopback;
	l->peer.public_mark = address->is_public;
	/* what is accepted inherits it (tcp(7)), without a system call for each */
	if (!l->is_unix)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	watch_init(&l->watch, server->door.loop, fd, LOOP_READ, "http accept", accept_cb, l);
	/* during a pause, the pause's end starts it */
	if (!watch_started(&server->pause) && !watch_start(&l->watch)) {
		free(l);
		return false;
	}
	l->next = server->listeners;
	server->listeners = l;
	return true;
}

void
http_server_unlisten(struct http_server *server, int fd)
{
	for (struct listener **at = &server->listeners; *at; at = &(*at)->next) {
		struct listener *l = *at;

		if (l->fd != fd)
			continue;
		watch_stop(&l->watch);
		*at = l->next;
		free(l);
		return;
	}
}

void
http_server_drain(struct http_server *server, void (*drained)(void *ctx), void *ctx)
{
	struct door *door = &server->door;

	while (server->listeners)
		http_server_unlisten(server, server->listeners->fd);
	door->is_draining = true;
	door->drained = drained;
	door->drained_ctx = ctx;
	conn_drain_all(door);
	door_check_drained(door);
}

void
http_server_abort(struct http_server *server)
{
	conn_close_all(&server->door, "the server stops");
}

size_t
http_server_connections(const struct http_server *server)
{
	return server->door.n_conns;
}
