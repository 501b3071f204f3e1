/*
 * access.c - the access rules. Refusals name the option that would allow the request and the two
 * values that did not fit, because whoever reads them is mostly the operator at the first try.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"
#include "http/access.h"
#include "http/host.h"
#include "http/origin.h"

/* How much of a value that a client sent is shown. */
#define SHOWN_MAX 128

static int refuse(int status, char *message, size_t message_size, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static int
refuse(int status, char *message, size_t message_size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, message_size, fmt, ap);
	va_end(ap);
	return status;
}

static const char *
shown(char out[SHOWN_MAX], struct span value)
{
	return log_escape(out, SHOWN_MAX, value.ptr, value.len);
}

static bool
words_have(const struct words *words, struct span wanted)
{
	for (size_t i = 0; i < words->n; i++)
		if (span_eq_nocase(span_str(words->word[i]), wanted))
			return true;
	return false;
}

/* The words as they stand in the configuration; cut like any value. */
static const char *
words_shown(char out[SHOWN_MAX], const struct words *words)
{
	size_t len = 0;

	if (words->n == 0)
		return "empty";
	for (size_t i = 0; i < words->n && len + 1 < SHOWN_MAX; i++)
		len += (size_t)snprintf(out + len, SHOWN_MAX - len, "%s%s", i ? " " : "",
					words->word[i]);
	return out;
}

bool
access_is_local(const struct access_peer *peer, const struct request *request)
{
	return peer->is_local_peer && !peer->public_mark &&
	       !request_has(request, FIELD_FORWARDED) &&
	       !request_has(request, FIELD_X_FORWARDED_FOR) && !request_has(request, FIELD_VIA);
}

/* ---- who it is ---- */

/* The last name in the last of the fields: what stands before it, anybody can have written. */
static struct span
forwarded_for(const struct request *request)
{
	struct span last = {NULL, 0};

	for (size_t i = 0; i < request->n_fields; i++)
		if (request->field[i].id == FIELD_X_FORWARDED_FOR)
			last = request->field[i].value;
	const char *comma = last.len ? memrchr(last.ptr, ',', last.len) : NULL;
	if (comma)
		last = span_from(comma + 1, (size_t)(last.ptr + last.len - comma - 1));
	while (last.len && (last.ptr[0] == ' ' || last.ptr[0] == '\t'))
		last = span_from(last.ptr + 1, last.len - 1);
	return last;
}

static void
parse_address(struct span text, uint8_t address[16])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	char copy[INET6_ADDRSTRLEN];

	memset(address, 0, 16);
	if (text.len == 0 || text.len >= sizeof(copy))
		return;
	memcpy(copy, text.ptr, text.len);
	copy[text.len] = '\0';
	if (inet_pton(AF_INET, copy, address + sizeof(mapped)) == 1)
		memcpy(address, mapped, sizeof(mapped));
	else if (inet_pton(AF_INET6, copy, address) != 1)
		memset(address, 0, 16);
}

void
access_client(const struct access_peer *peer, const struct request *request, uint8_t client[16])
{
	struct in6_addr in6;

	if (peer->is_local_peer && request_has(request, FIELD_X_FORWARDED_FOR))
		parse_address(forwarded_for(request), client);
	else
		memcpy(client, peer->address, 16);
	memcpy(&in6, client, sizeof(in6));
	/* whoever has one address of a /64 has all of them */
	if (!IN6_IS_ADDR_V4MAPPED(&in6))
		memset(client + 8, 0, 8);
}

/* ---- what may be used ---- */

/* Refusals are functions of their own: their texts would cost each request a checked stack. */
static int refuse_host(const struct config *config, struct span name, char *message,
		       size_t message_size) __attribute__((cold));

static int
refuse_host(const struct config *config, struct span name, char *message, size_t message_size)
{
	char value[SHOWN_MAX], names[SHOWN_MAX];

	return refuse(421, message, message_size,
		      "Host %s is not served on a loopback address: only localhost, loopback "
		      "addresses and the names in server.names (%s) are",
		      shown(value, name), words_shown(names, &config->server_names));
}

/*
 * Against DNS rebinding: a page of attacker.example, whose name now leads to 127.0.0.1, reaches us
 * as if from this machine, but its browser still sends the name as Host. HTTP/1.0 without Host
 * passes, since no browser leaves it out. Unix sockets and other addresses have no such rule: no
 * page can reach the former, and the latter trust nobody for where he comes from.
 *
 * The mark ",public" does not lift the rule: a page that goes round the proxy must not get what the
 * proxy, by a password maybe, keeps from it. A proxy that sends 127.0.0.1 as Host (nginx, unless
 * told otherwise) needs nothing; one that passes on its public name has it in server.names.
 */
int
access_check_host(const struct config *config, const struct access_peer *peer,
		  const struct request *request, char *message, size_t message_size)
{
	struct span name = request->host_parts.name;

	if (!peer->on_loopback || name.len == 0 || host_is_loopback(name) ||
	    words_have(&config->server_names, name) ||
	    words_have(&config->server_names, SPAN_LIT("*")))
		return 0;
	return refuse_host(config, name, message, message_size);
}

bool
access_may_use(const struct config *config, const struct access_peer *peer,
	       const struct request *request, enum scope scope)
{
	return access_is_local(peer, request) ||
	       words_have(&config->server_public, span_str(scope_name(scope))) ||
	       words_have(&config->server_public, SPAN_LIT("*"));
}

static int refuse_scope(const struct config *config, const struct access_peer *peer,
			enum scope scope, char *message, size_t message_size) __attribute__((cold));

static int
refuse_scope(const struct config *config, const struct access_peer *peer, enum scope scope,
	     char *message, size_t message_size)
{
	char public[SHOWN_MAX];
	const char *why = "it carries Forwarded, X-Forwarded-For or Via";

	if (!peer->is_local_peer)
		why = "its peer is another machine";
	else if (peer->public_mark)
		why = "its listen address is marked public";
	return refuse(
	    403, message, message_size,
	    "the scope %s is not in server.public (%s), and the request does not count as "
	    "from this machine: %s",
	    scope_name(scope), words_shown(public, &config->server_public), why);
}

int
access_check_scopes(const struct config *config, const struct access_peer *peer,
		    const struct request *request, unsigned scopes, char *message,
		    size_t message_size)
{
	enum scope scope = SCOPE_COUNT;

	for (unsigned i = SCOPE_COUNT; i-- > 0;) {
		if (!(scopes & 1U << i))
			continue;
		scope = (enum scope)i;
		if (access_may_use(config, peer, request, scope))
			return 0;
	}
	return refuse_scope(config, peer, scope, message, message_size);
}

/* --- web pages --- */

/*
 * Against pages of other sites that use their visitor's place in the network. Browsers say where a
 * request comes from; what is no browser says nothing and passes. An origin in http.origins may
 * write although its browser calls it cross-site: that is what the option is for.
 */
static int
check_origin(const struct config *config, const struct request *request, char *message,
	     size_t message_size)
{
	char value[SHOWN_MAX], page[SHOWN_MAX], host[SHOWN_MAX];
	struct span site = request_first(request, FIELD_SEC_FETCH_SITE);
	struct span origin = request_first(request, FIELD_ORIGIN);

	if (origin_listed(config, request))
		return 0;
	if (request_has(request, FIELD_SEC_FETCH_SITE)) {
		if (request->times[FIELD_SEC_FETCH_SITE] == 1 &&
		    (span_eq(site, SPAN_LIT("same-origin")) || span_eq(site, SPAN_LIT("none"))))
			return 0;
	} else if (!request_has(request, FIELD_ORIGIN) ||
		   (request->times[FIELD_ORIGIN] == 1 &&
		    origin_is_host(origin, &request->host_parts))) {
		return 0;
	}
	if (!request_has(request, FIELD_SEC_FETCH_SITE))
		return refuse(403, message, message_size,
			      "Origin %s is neither that of Host %s nor in http.origins",
			      shown(value, origin), shown(host, request->host));
	return refuse(403, message, message_size,
		      "Sec-Fetch-Site is %s, not same-origin or none, and Origin %s is not in "
		      "http.origins (Host is %s)",
		      shown(value, site), shown(page, origin), shown(host, request->host));
}

static bool
is_unsafe(enum http_method method)
{
	return ((HTTP_METHOD_BIT(HTTP_GET) | HTTP_METHOD_BIT(HTTP_HEAD) |
		 HTTP_METHOD_BIT(HTTP_OPTIONS) | HTTP_METHOD_BIT(HTTP_TRACE)) &
		HTTP_METHOD_BIT(method)) == 0;
}

int
access_check(const struct config *config, const struct access_peer *peer,
	     const struct request *request, enum scope scope, bool is_upgrade, char *message,
	     size_t message_size)
{
	int status = access_check_host(config, peer, request, message, message_size);

	if (status == 0)
		status =
		    access_check_scopes(config, peer, request, 1U << scope, message, message_size);
	if (status == 0 && (is_upgrade || is_unsafe(request->method)))
		status = check_origin(config, request, message, message_size);
	return status;
}
