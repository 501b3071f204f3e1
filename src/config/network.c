/*
 * network.c - address ranges with a port.
 */
#include "config/network.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>

bool
network_contains(const struct network *network, const struct in6_addr *address)
{
	const unsigned bytes = network->prefix / 8, bits = network->prefix % 8;
	const uint8_t *a = address->s6_addr, *b = network->address.s6_addr;

	if (memcmp(a, b, bytes) != 0)
		return false;
	return !bits || (a[bytes] ^ b[bytes]) >> (8 - bits) == 0;
}

const char *
port_number_parse(const char *word, uint16_t *port)
{
	unsigned value = 0;
	size_t n = strspn(word, "0123456789");

	if (n < 1 || n > 5 || word[n] != '\0' || word[0] == '0')
		return "is no port";
	for (const char *p = word; *p; p++)
		value = value * 10 + (unsigned)(*p - '0');
	if (value > 65535)
		return "is no port";
	*port = (uint16_t)value;
	return NULL;
}

/* -1 when it is no number up to `max`. */
static int
prefix_parse(const char *text, size_t len, int max)
{
	int value = 0;

	if (len < 1 || len > 3 || strspn(text, "0123456789") < len || (len > 1 && text[0] == '0'))
		return -1;
	for (size_t i = 0; i < len; i++)
		value = value * 10 + (text[i] - '0');
	return value <= max ? value : -1;
}

/* Bits beyond the prefix would say something that is then not looked at. */
static bool
has_host_bits(const struct network *network)
{
	for (unsigned bit = network->prefix; bit < 128; bit++) {
		if (network->address.s6_addr[bit / 8] >> (7 - bit % 8) & 1)
			return true;
	}
	return false;
}

/* 10.0.0.0/8, 127.0.0.1/32:8080, fd00::/8:443, [::1]:80 */
const char *
network_parse(const char *word, struct network *network)
{
	static const char no_address[] = "has no IPv4 or IPv6 address";
	const bool is_bracketed = *word == '[';
	const char *from = word + is_bracketed;
	const char *slash = strchr(word, '/');
	char text[INET6_ADDRSTRLEN];
	struct in_addr ipv4;
	size_t len;

	/* without / and [], a colon is the port's if it is the only one: 127.0.0.1:80 */
	if (is_bracketed)
		len = strcspn(from, "]");
	else if (slash)
		len = (size_t)(slash - from);
	else if (strchr(from, ':') && !strchr(strchr(from, ':') + 1, ':'))
		len = strcspn(from, ":");
	else
		len = strlen(from);
	if (len >= sizeof(text))
		return no_address;
	memcpy(text, from, len);
	text[len] = '\0';
	const char *rest = from + len;
	if (is_bracketed && *rest++ != ']')
		return "has no ]";

	memset(network, 0, sizeof(*network));
	network->prefix = 128;
	const bool is_ipv4 = !is_bracketed && inet_pton(AF_INET, text, &ipv4) == 1;
	if (is_ipv4)
		network_map_ipv4(&ipv4, &network->address);
	else if (inet_pton(AF_INET6, text, &network->address) != 1)
		return no_address;
	if (*rest == '/') {
		const size_t n = strcspn(++rest, ":");
		const int prefix = prefix_parse(rest, n, is_ipv4 ? 32 : 128);

		if (prefix < 0)
			return "has no valid length of a prefix";
		network->prefix = (unsigned)prefix + (is_ipv4 ? 96 : 0);
		rest += n;
	}
	if (has_host_bits(network))
		return "has bits beyond its prefix";
	if (*rest == ':')
		return port_number_parse(rest + 1, &network->port);
	return *rest ? "has something behind the address" : NULL;
}
