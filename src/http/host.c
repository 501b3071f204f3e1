/*
 * host.c - "host:port", by the grammar of RFC 3986 3.2.2.
 */
#include <arpa/inet.h>

#include "http/chars.h"
#include "http/host.h"

/* IPvFuture = "v" 1*HEXDIG "." 1*( unreserved / sub-delims / ":" ) */
static bool
is_future_literal(struct span in)
{
	size_t i = 1;

	if (in.len < 4 || (in.ptr[0] != 'v' && in.ptr[0] != 'V'))
		return false;
	while (i < in.len && char_is(in.ptr[i], CHAR_HEX))
		i++;
	if (i == 1 || i + 1 >= in.len || in.ptr[i] != '.')
		return false;
	for (i++; i < in.len; i++)
		if (!char_is(in.ptr[i], CHAR_HOST) && in.ptr[i] != ':')
			return false;
	return true;
}

/* What stands in brackets, as an address; zone identifiers (RFC 6874) are not for Host fields. */
static bool
ip6_parse(struct span in, struct in6_addr *address)
{
	char text[INET6_ADDRSTRLEN];

	if (in.len >= sizeof(text) || memchr(in.ptr, '\0', in.len))
		return false;
	memcpy(text, in.ptr, in.len);
	text[in.len] = '\0';
	return inet_pton(AF_INET6, text, address) == 1;
}

static bool
port_parse(struct span digits, struct host *host)
{
	unsigned long port = 0;

	for (size_t i = 0; i < digits.len; i++) {
		if (!char_is(digits.ptr[i], CHAR_DIGIT))
			return false;
		port = port * 10 + (unsigned long)(digits.ptr[i] - '0');
		if (port > UINT16_MAX)
			return false;
	}
	host->has_port = digits.len != 0;
	host->port = (uint16_t)port;
	return true;
}

bool
host_parse(struct span text, struct host *host)
{
	struct in6_addr address;
	size_t i = 0;

	host->has_port = false;
	host->port = 0;
	if (text.len == 0)
		return false;
	if (text.ptr[0] == '[') {
		const char *close = memchr(text.ptr, ']', text.len);

		if (close == NULL)
			return false;
		i = (size_t)(close - text.ptr);
		struct span in = span_from(text.ptr + 1, i - 1);
		if (!ip6_parse(in, &address) && !is_future_literal(in))
			return false;
		i++;
	} else {
		const char *end = text.ptr + text.len;
		const char *p = char_skip(text.ptr, end, CHAR_HOST);

		while (char_is_escape(p, end))
			p = char_skip(p + 3, end, CHAR_HOST);
		i = (size_t)(p - text.ptr);
	}
	if (i == 0)
		return false;
	host->name = span_from(text.ptr, i);
	if (i == text.len)
		return true;
	return text.ptr[i] == ':' &&
	       port_parse(span_from(text.ptr + i + 1, text.len - i - 1), host);
}

/* Four decimal numbers, the first of which is 127. Other spellings ("127.1") are names to us. */
static bool
is_ip4_loopback(struct span name)
{
	char text[INET_ADDRSTRLEN];
	struct in_addr address;

	if (name.len >= sizeof(text) || name.len < 9 || memcmp(name.ptr, "127.", 4) != 0)
		return false;
	memcpy(text, name.ptr, name.len);
	text[name.len] = '\0';
	return inet_pton(AF_INET, text, &address) == 1;
}

bool
host_is_loopback(struct span name)
{
	struct in6_addr address;

	/* what nearly every request from this machine says */
	if (name.len == 9 &&
	    (memcmp(name.ptr, "localhost", 9) == 0 || memcmp(name.ptr, "127.0.0.1", 9) == 0 ||
	     span_eq_nocase(name, SPAN_LIT("localhost"))))
		return true;
	if (name.len > 2 && name.ptr[0] == '[')
		return ip6_parse(span_from(name.ptr + 1, name.len - 2), &address) &&
		       IN6_IS_ADDR_LOOPBACK(&address);
	return is_ip4_loopback(name);
}
