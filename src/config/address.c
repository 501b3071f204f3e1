/*
 * address.c - reads one entry of server.listen.
 */
#include "config/address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#define ACCEPTED "accepted: host:port, [v6]:port or unix:/path, each may end in ,public"

/* Decimal, 0 to 65535, without sign, blanks or leading zeros; -1 when it is not. */
static int
port_parse(const char *text)
{
	int port = 0;

	if (!isdigit((unsigned char)text[0]) || (text[0] == '0' && text[1] != '\0'))
		return -1;
	for (const char *p = text; *p; p++) {
		if (!isdigit((unsigned char)*p))
			return -1;
		port = port * 10 + (*p - '0');
		if (port > 65535)
			return -1;
	}
	return port;
}

static const char *
unix_parse(const char *path, struct listen_address *address)
{
	struct sockaddr_un *sun = (struct sockaddr_un *)&address->addr;
	size_t len = strlen(path);

	if (path[0] != '/' || path[len - 1] == '/')
		return "unix: needs the absolute path of a file, as in unix:/run/plaza/plaza.sock";
	if (len >= sizeof(sun->sun_path))
		return "the path of a unix socket may have 107 bytes at most";
	sun->sun_family = AF_UNIX;
	memcpy(sun->sun_path, path, len + 1);
	address->addr_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
	address->is_unix = true;
	snprintf(address->text, sizeof(address->text), "unix:%s", path);
	return NULL;
}

static const char *
ipv4_parse(const char *host, int port, struct listen_address *address)
{
	struct sockaddr_in *sin = (struct sockaddr_in *)&address->addr;
	char canonical[INET_ADDRSTRLEN];

	if (strcmp(host, "localhost") == 0)
		sin->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else if (strcmp(host, "*") == 0)
		sin->sin_addr.s_addr = htonl(INADDR_ANY);
	else if (inet_pton(AF_INET, host, &sin->sin_addr) != 1)
		return "the host must be an IPv4 address, an IPv6 address in [], localhost or * "
		       "(names are not looked up)";
	sin->sin_family = AF_INET;
	sin->sin_port = htons((uint16_t)port);
	address->addr_len = sizeof(*sin);
	address->is_loopback = ntohl(sin->sin_addr.s_addr) >> 24 == 127;
	inet_ntop(AF_INET, &sin->sin_addr, canonical, sizeof(canonical));
	snprintf(address->text, sizeof(address->text), "%s:%d", canonical, port);
	return NULL;
}

static const char *
ipv6_parse(const char *host, int port, struct listen_address *address)
{
	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)&address->addr;
	char canonical[INET6_ADDRSTRLEN];

	if (inet_pton(AF_INET6, host, &sin6->sin6_addr) != 1)
		return "what stands in [] must be an IPv6 address without a zone, as in "
		       "[::1]:8080";
	/* its clients would come as IPv4-mapped addresses, which no access rule knows as local */
	if (IN6_IS_ADDR_V4MAPPED(&sin6->sin6_addr))
		return "an IPv4 address is written without [] and ::ffff:";
	sin6->sin6_family = AF_INET6;
	sin6->sin6_port = htons((uint16_t)port);
	address->addr_len = sizeof(*sin6);
	address->is_loopback = IN6_IS_ADDR_LOOPBACK(&sin6->sin6_addr);
	inet_ntop(AF_INET6, &sin6->sin6_addr, canonical, sizeof(canonical));
	snprintf(address->text, sizeof(address->text), "[%s]:%d", canonical, port);
	return NULL;
}

const char *
listen_address_parse(const char *text, struct listen_address *address)
{
	/* the longest: "unix:" and a path, or an IPv6 address and a port */
	char entry[sizeof(address->text)];
	size_t len = strlen(text);

	memset(address, 0, sizeof(*address));
	if (len >= sizeof(entry))
		return "is too long; " ACCEPTED;
	memcpy(entry, text, len + 1);

	char *comma = strchr(entry, ',');
	if (comma) {
		*comma = '\0';
		if (strcmp(comma + 1, "public") != 0)
			return "public is the only mark; " ACCEPTED;
		address->is_public = true;
	}
	if (strncmp(entry, "unix:", 5) == 0)
		return unix_parse(entry + 5, address);

	char *colon = strrchr(entry, ':');
	bool bracketed = entry[0] == '[';
	char *bracket = strchr(entry, ']');
	if (!colon || colon == entry || (bracketed && colon != (bracket ? bracket + 1 : NULL)))
		return "needs an address and a port; " ACCEPTED;
	*colon = '\0';
	int port = port_parse(colon + 1);
	if (port < 0)
		return "the port must be a number from 0 to 65535 (0: the kernel picks one)";
	if (!bracketed)
		return strchr(entry, ':') ? "an IPv6 address stands in [], as in [::1]:8080"
					  : ipv4_parse(entry, port, address);
	*bracket = '\0';
	return ipv6_parse(entry + 1, port, address);
}
