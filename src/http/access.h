/*
 * access.h - who may use what: the host names that are answered to, the scopes that are public, and
 * the web pages that may act. Pure functions over a parsed request; the front door calls
 * access_check for each routed request before anything else of the route is looked at.
 *
 * Not from this machine is a request whose peer is neither loopback nor a unix socket, or which
 * carries Forwarded, X-Forwarded-For or Via, or which came in on a listen entry marked ",public".
 * It may use the scopes in server.public; a request from this machine may use all.
 */
#ifndef PLAZA_HTTP_ACCESS_H
#define PLAZA_HTTP_ACCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "http/request.h"
#include "http/route.h"

/* What the front door knows of a connection without reading a byte of it. */
struct access_peer {
	bool is_local_peer; /* a loopback address or a unix socket at the other end */
	bool on_loopback;   /* it came in on a loopback address; false for unix sockets */
	bool public_mark;   /* the listen entry is marked ",public" */
	/* the other end's; IPv4 in its mapped form (::ffff:a.b.c.d), all zeros for a unix socket */
	uint8_t address[16];
	uint16_t port;
};

/* Enough for any message of the functions below; they cut what does not fit. */
#define ACCESS_MESSAGE_MAX 640

/* Whether the request is from this machine. */
bool access_is_local(const struct access_peer *peer, const struct request *request);

/*
 * Whom a limit counts that is for each client: his address (IPv4 mapped, IPv6 by its /64), or, if a
 * proxy on this machine has passed the request on, the one that it names last in X-Forwarded-For.
 * All zeros when there is none: a unix socket, or what the proxy names is no address.
 */
void access_client(const struct access_peer *peer, const struct request *request,
		   uint8_t client[16]);

/* Whether the request may use `scope`, as far as the scope goes. */
bool access_may_use(const struct config *config, const struct access_peer *peer,
		    const struct request *request, enum scope scope);

/*
 * 0, or 421 with a message: the Host names nothing that a loopback address answers to. access_check
 * does this too, and the next one's rule; they are by themselves for requests that have no route.
 */
int access_check_host(const struct config *config, const struct access_peer *peer,
		      const struct request *request, char *message, size_t message_size);

/*
 * 0, or 403 with a message: the request may use none of `scopes`, which is not empty, a bit
 * 1 << scope for each.
 */
int access_check_scopes(const struct config *config, const struct access_peer *peer,
			const struct request *request, unsigned scopes, char *message,
			size_t message_size);

/*
 * 0 when the request may use `scope`, else 421 or 403 with a message that names the option and the
 * values compared (escaped, terminated). `is_upgrade`: a WebSocket handshake, which is checked for
 * its origin like an unsafe method.
 */
int access_check(const struct config *config, const struct access_peer *peer,
		 const struct request *request, enum scope scope, bool is_upgrade, char *message,
		 size_t message_size);

#endif
