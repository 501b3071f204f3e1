/*
 * url.c - a WebSocket URL (RFC 6455 section 3) in its parts.
 */
#include "ctl/url.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define ACCEPTED "accepted: ws://host[:port][/path] or wss://..."

/* -1 when it is no port; an empty one (RFC 3986 3.2.3) is `none`. */
static int
port_parse(const char *text, int none)
{
	int port = 0;

	if (*text == '\0')
		return none;
	for (; isdigit((unsigned char)*text) && port <= 65535; text++)
		port = port * 10 + (*text - '0');
	return *text == '\0' && port > 0 && port <= 65535 ? port : -1;
}

/* Splits "host:port" or "[v6]:port" in place. */
static const char *
authority_parse(char *text, struct url *url)
{
	int standard = url->is_tls ? 443 : 80;
	char *host = text, *end;

	if (strchr(text, '@'))
		return "a WebSocket URL has no user; " ACCEPTED;
	if (*text == '[') {
		host = text + 1;
		end = strchr(host, ']');
		if (!end || (end[1] != '\0' && end[1] != ':'))
			return "an IPv6 address stands in [], as in ws://[::1]:8080/";
		*end++ = '\0';
	} else {
		end = text + strcspn(text, ":");
		if (strchr(*end ? end + 1 : end, ':'))
			return "an IPv6 address stands in [], as in ws://[::1]:8080/";
	}
	url->port = standard;
	if (*end == ':') {
		*end = '\0';
		url->port = port_parse(end + 1, standard);
	}
	if (*host == '\0')
		return "the host is missing; " ACCEPTED;
	if (url->port < 0)
		return "the port must be a number from 1 to 65535";

	const char *open = host == text ? "" : "[", *close = host == text ? "" : "]";
	snprintf(url->address, sizeof(url->address), "%s", host);
	if (url->port == standard)
		snprintf(url->host, sizeof(url->host), "%s%s%s", open, host, close);
	else
		snprintf(url->host, sizeof(url->host), "%s%s%s:%d", open, host, close, url->port);
	return NULL;
}

const char *
url_parse(const char *text, struct url *url)
{
	char authority[sizeof(url->address)];

	memset(url, 0, sizeof(*url));
	for (const char *p = text; *p; p++) {
		if (*p <= 0x20 || *p >= 0x7f)
			return "has blanks or characters beyond ASCII; accepted: percent-encoded "
			       "ones, as in %20";
	}
	url->is_tls = strncasecmp(text, "wss://", 6) == 0;
	if (!url->is_tls && strncasecmp(text, "ws://", 5) != 0)
		return "is no WebSocket URL; " ACCEPTED;
	if (strchr(text, '#'))
		return "a WebSocket URL has no #fragment; " ACCEPTED;
	text += url->is_tls ? 6 : 5;

	size_t len = strcspn(text, "/?");
	const char *rest = text + len;
	if (len >= sizeof(authority))
		return "the host is too long";
	if (strlen(rest) + 1 >= sizeof(url->path))
		return "the path is too long; accepted: 2046 bytes";
	memcpy(authority, text, len);
	authority[len] = '\0';
	snprintf(url->path, sizeof(url->path), "%s%s", *rest == '/' ? "" : "/", rest);
	return authority_parse(authority, url);
}
