/*
 * transfer_setup.c - what libcurl is told of a transfer before it begins, and how the guard is
 * asked about each address on the way.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "fetch/transfer_private.h"

#define USER_AGENT "plaza/" PLAZA_VERSION
/* of a connection, for what comes in; gzip can make a thousand times as much of it at once */
#define INPUT_SIZE 4096L

/* ---- the guard ---- */

static curl_socket_t
open_socket_cb(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct transfer *t = ctx;
	struct guard *guard = t->all->settings.guard;

	(void)purpose;
	guard_look(guard, loop_now_ms(t->all->settings.loop));
	if (!guard->has_seen && !t->all->has_complained) {
		t->all->has_complained = true;
		log_error("fetch: the addresses of this machine's interfaces cannot be read, so "
			  "nothing is fetched");
	}
	const char *why = guard_check(guard, &address->addr);
	if (why) {
		t->refused = why;
		return CURL_SOCKET_BAD;
	}
	return socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
		      address->protocol);
}

static bool
address_parse(const char *text, int port, struct sockaddr_storage *address)
{
	struct sockaddr_in *sin = (struct sockaddr_in *)address;
	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)address;

	memset(address, 0, sizeof(*address));
	if (inet_pton(AF_INET, text, &sin->sin_addr) == 1) {
		sin->sin_family = AF_INET;
		sin->sin_port = htons((uint16_t)port);
		return true;
	}
	sin6->sin6_family = AF_INET6;
	sin6->sin6_port = htons((uint16_t)port);
	return inet_pton(AF_INET6, text, &sin6->sin6_addr) == 1;
}

/* A connection is there, old or new, and the request is about to go. */
static int
ready_cb(void *ctx, char *peer, char *own, int peer_port, int own_port)
{
	struct transfer *t = ctx;
	const struct guard *guard = t->all->settings.guard;
	struct sockaddr_storage address;

	(void)own_port;
	/* who has the same address at both ends talks to itself, whatever the interfaces say */
	if (!address_parse(peer, peer_port, &address))
		t->refused = "is at an address that cannot be read";
	else if (strcmp(peer, own) == 0)
		t->refused = guard_check_self(guard, (const struct sockaddr *)&address);
	else
		t->refused = guard_check(guard, (const struct sockaddr *)&address);
	t->is_ready = !t->refused;
	return t->refused ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

/* ---- the request ---- */

static bool
add_field(struct curl_slist **list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*list, line);

	if (longer)
		*list = longer;
	return longer != NULL;
}

/* curl has its own way to say that a field is there and empty. */
static bool
add_header(struct curl_slist **list, const struct transfer_header *header)
{
	const size_t name_len = strlen(header->name);
	char *line = malloc(name_len + header->value.len + 3);
	bool ok = false;

	if (line) {
		memcpy(line, header->name, name_len);
		if (header->value.len) {
			memcpy(line + name_len, ": ", 2);
			memcpy(line + name_len + 2, header->value.ptr, header->value.len);
			line[name_len + 2 + header->value.len] = '\0';
		} else {
			memcpy(line + name_len, ";", 2);
		}
		ok = add_field(list, line);
	}
	free(line);
	return ok;
}

static bool
set_fields(struct transfer *t, const struct transfer_request *request)
{
	bool has_type = false;

	for (size_t i = 0; i < request->n_headers; i++) {
		has_type = has_type || strcasecmp(request->headers[i].name, "content-type") == 0;
		if (!add_header(&t->fields, &request->headers[i]))
			return false;
	}
	/* 100-continue would be a round trip more; and nobody here sends forms */
	return add_field(&t->fields, "Expect:") &&
	       (has_type ||
		add_field(&t->fields, request->has_body ? "Content-Type: text/plain; charset=utf-8"
							: "Content-Type:"));
}

static bool
set_method(CURL *easy, const struct transfer_request *request)
{
	const bool is_post = strcmp(request->method, "POST") == 0;

	if (strcmp(request->method, "HEAD") == 0)
		return SET(easy, NOBODY, 1L);
	if (request->has_body || is_post || strcmp(request->method, "PUT") == 0 ||
	    strcmp(request->method, "PATCH") == 0) {
		if (!SET(easy, POST, 1L) ||
		    !SET(easy, POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len) ||
		    !SET(easy, POSTFIELDS, request->body.len ? request->body.ptr : ""))
			return false;
		return is_post || SET(easy, CUSTOMREQUEST, request->method);
	}
	return SET(easy, HTTPGET, 1L) &&
	       (strcmp(request->method, "GET") == 0 || SET(easy, CUSTOMREQUEST, request->method));
}

bool
transfer_setup_trust(CURL *easy, const struct transfers_settings *settings)
{
	return SET(easy, PROXY, "") && SET(easy, NOPROXY, "*") && SET(easy, NOSIGNAL, 1L) &&
	       SET(easy, SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) &&
	       SET(easy, SSL_VERIFYPEER, 1L) && SET(easy, SSL_VERIFYHOST, 2L) &&
	       /* with a folder beside the file, curl would read all of it for each connection */
	       SET(easy, CAPATH, NULL) &&
	       (!settings->ca_file || SET(easy, CAINFO, settings->ca_file));
}

static bool
set_all(struct transfer *t, const struct transfer_request *request)
{
	const struct transfers_settings *settings = &t->all->settings;
	CURL *easy = t->easy;
	const uint64_t connect_ms = settings->connect_timeout_ms < request->timeout_ms
					? settings->connect_timeout_ms
					: request->timeout_ms;

	return SET(easy, PRIVATE, t) && SET(easy, ERRORBUFFER, t->error) &&
	       SET(easy, URL, request->url->text) && SET(easy, PATH_AS_IS, 1L) &&
	       SET(easy, PROTOCOLS_STR, "http,https") && SET(easy, FOLLOWLOCATION, 0L) &&
	       SET(easy, NETRC, (long)CURL_NETRC_IGNORED) &&
	       SET(easy, HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) &&
	       SET(easy, OPENSOCKETFUNCTION, open_socket_cb) && SET(easy, OPENSOCKETDATA, t) &&
	       SET(easy, PREREQFUNCTION, ready_cb) && SET(easy, PREREQDATA, t) &&
	       SET(easy, ACCEPT_ENCODING, "gzip, deflate") && SET(easy, USERAGENT, USER_AGENT) &&
	       SET(easy, HTTPHEADER, t->fields) && SET(easy, BUFFERSIZE, INPUT_SIZE) &&
	       /* a resolver that hangs is left to its thread: else the loop would wait for it */
	       SET(easy, QUICK_EXIT, 1L) && SET(easy, FRESH_CONNECT, request->is_once ? 1L : 0L) &&
	       SET(easy, CONNECTTIMEOUT_MS, (long)(connect_ms ? connect_ms : 1)) &&
	       SET(easy, TIMEOUT_MS, (long)(request->timeout_ms ? request->timeout_ms : 1));
}

bool
transfer_setup(struct transfer *t, const struct transfer_request *request)
{
	return set_fields(t, request) && transfer_setup_trust(t->easy, &t->all->settings) &&
	       transfer_answer_setup(t) && set_all(t, request) && set_method(t->easy, request);
}
