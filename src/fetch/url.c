/*
 * url.c - http and https URLs, read strictly and written anew.
 */
#include "fetch/url.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/put.h"

#define WANTED "; accepted: http://host[:port][/path][?query] or https://..."

static const char too_long[] = "is too long; accepted: up to 2048 bytes";

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* -1 when it is none. */
static int
hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* How many bytes of `s` come before the first of `stops`. */
static size_t
span_until(struct span s, const char *stops)
{
	size_t n = 0;

	while (n < s.len && (s.ptr[n] == '\0' || !strchr(stops, s.ptr[n])))
		n++;
	return n;
}

static struct span
span_after(struct span s, size_t n)
{
	return span_from(s.ptr + n, s.len - n);
}

/* ---- hosts ---- */

/* One part of an IPv4 address: 10, 012, 0xa; at most 32 bits. False when it is no number. */
static bool
ipv4_part(struct span s, uint64_t *value)
{
	int base = 10;
	size_t i = 0;

	*value = 0;
	if (s.len == 0)
		return false;
	if (s.len >= 2 && s.ptr[0] == '0' && (s.ptr[1] | 0x20) == 'x') {
		base = 16;
		i = 2; /* "0x" is 0, for some */
	} else if (s.len >= 2 && s.ptr[0] == '0') {
		base = 8;
		i = 1;
	}
	for (; i < s.len; i++) {
		const int digit = hex_value(s.ptr[i]);
		if (digit < 0 || digit >= base)
			return false;
		*value = *value * (uint64_t)base + (uint64_t)digit;
		if (*value > UINT32_MAX)
			return false;
	}
	return true;
}

/* As inet_aton and the URL standard read it: the last of one to four parts fills what is left. */
static bool
ipv4_parse(struct span s, uint8_t out[4])
{
	uint64_t part[4];
	unsigned n = 0;

	for (;;) {
		const size_t len = span_until(s, ".");
		if (n == 4 || !ipv4_part(span_from(s.ptr, len), &part[n++]))
			return false;
		if (len == s.len)
			break;
		s = span_after(s, len + 1);
	}
	uint64_t address = part[n - 1];
	if (address >= UINT64_C(1) << (8 * (5 - n)))
		return false;
	for (unsigned i = 0; i + 1 < n; i++) {
		if (part[i] > 255)
			return false;
		address |= part[i] << (8 * (3 - i));
	}
	for (unsigned i = 0; i < 4; i++)
		out[i] = (uint8_t)(address >> (8 * (3 - i)));
	return true;
}

/* Whether a resolver may take it for an IPv4 address: its last label is a number. */
static bool
ends_in_number(struct span host)
{
	size_t at = host.len;
	uint64_t value;

	while (at > 0 && host.ptr[at - 1] != '.')
		at--;
	const struct span last = span_after(host, at);
	bool is_digits = last.len > 0;
	for (size_t i = 0; i < last.len; i++)
		is_digits = is_digits && is_digit(last.ptr[i]);
	return is_digits || (last.len && ipv4_part(last, &value));
}

static enum fetch_url_verdict
read_name(struct span host, struct fetch_url *url, const char **why)
{
	size_t label = 0;

	if (host.len && host.ptr[host.len - 1] == '.')
		host.len--;
	if (host.len == 0 || host.len > 253) {
		*why = "has no host or one of more than 253 bytes" WANTED;
		return FETCH_URL_MALFORMED;
	}
	if (ends_in_number(host)) {
		if (!ipv4_parse(host, url->address)) {
			*why = "has a host that ends in a number and is no IPv4 address";
			return FETCH_URL_MALFORMED;
		}
		url->kind = FETCH_HOST_IPV4;
		inet_ntop(AF_INET, url->address, url->host, sizeof(url->host));
		return FETCH_URL_OK;
	}
	for (size_t i = 0; i < host.len; i++) {
		const char c = host.ptr[i];

		if (c == '.' ? label == 0 : !is_alpha(c) && !is_digit(c) && c != '-' && c != '_') {
			*why = "has a host that is no name; accepted: letters, digits, - and dots "
			       "(other letters as xn--...), an IPv4 address or an [IPv6] one";
			return FETCH_URL_MALFORMED;
		}
		label = c == '.' ? 0 : label + 1;
		if (label > 63) {
			*why = "has a host with a label of more than 63 bytes";
			return FETCH_URL_MALFORMED;
		}
		url->host[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
	}
	if (label == 0) {
		*why = "has a host that ends in two dots";
		return FETCH_URL_MALFORMED;
	}
	url->host[host.len] = '\0';
	url->kind = FETCH_HOST_NAME;
	return FETCH_URL_OK;
}

/* What stands between [ and ]. */
static enum fetch_url_verdict
read_ipv6(struct span host, struct fetch_url *url, const char **why)
{
	char text[INET6_ADDRSTRLEN];

	*why = "has no IPv6 address between [ and ], or one with a zone";
	if (host.len >= sizeof(text) || memchr(host.ptr, '\0', host.len))
		return FETCH_URL_MALFORMED;
	*put(text, host.ptr, host.len) = '\0';
	if (inet_pton(AF_INET6, text, url->address) != 1)
		return FETCH_URL_MALFORMED;
	inet_ntop(AF_INET6, url->address, url->host, sizeof(url->host));
	url->kind = FETCH_HOST_IPV6;
	return FETCH_URL_OK;
}

static enum fetch_url_verdict
read_port(struct span s, struct fetch_url *url, const char **why)
{
	unsigned port = 0;

	url->port = url->is_tls ? 443 : 80;
	if (s.len == 0) /* RFC 3986 3.2.3: an empty one is the scheme's */
		return FETCH_URL_OK;
	for (size_t i = 0; i < s.len; i++) {
		port = is_digit(s.ptr[i]) ? port * 10 + (unsigned)(s.ptr[i] - '0') : 65536;
		if (port > 65535)
			break;
	}
	if (port < 1 || port > 65535) {
		*why = "has no valid port; accepted: a number from 1 to 65535";
		return FETCH_URL_MALFORMED;
	}
	url->port = (uint16_t)port;
	return FETCH_URL_OK;
}

static enum fetch_url_verdict
read_authority(struct span s, struct fetch_url *url, const char **why)
{
	enum fetch_url_verdict verdict;
	size_t len;

	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '@') {
			*why = "has a user or a password; accepted: none, credentials belong into "
			       "headers";
			return FETCH_URL_NOT_ALLOWED;
		}
	}
	if (s.len && s.ptr[0] == '[') {
		len = span_until(s, "]");
		if (len == s.len) {
			*why = "has an IPv6 address without its ]";
			return FETCH_URL_MALFORMED;
		}
		verdict = read_ipv6(span_from(s.ptr + 1, len - 1), url, why);
		s = span_after(s, len + 1);
		if (verdict == FETCH_URL_OK && s.len && s.ptr[0] != ':') {
			*why = "has something between ] and its port" WANTED;
			verdict = FETCH_URL_MALFORMED;
		}
	} else {
		len = span_until(s, ":");
		verdict = read_name(span_from(s.ptr, len), url, why);
		s = span_after(s, len);
	}
	if (verdict != FETCH_URL_OK)
		return verdict;
	return read_port(s.len ? span_after(s, 1) : s, url, why);
}

/* ---- the normal form ---- */

/* Appends to url->text. False: no room. */
static bool
add(struct fetch_url *url, const char *data, size_t len)
{
	if (len > FETCH_URL_MAX - url->len)
		return false;
	url->len = (size_t)(put(url->text + url->len, data, len) - url->text);
	url->text[url->len] = '\0';
	return true;
}

static bool
add_escaped(struct fetch_url *url, char c)
{
	static const char digits[] = "0123456789ABCDEF";
	const char escape[3] = {'%', digits[(unsigned char)c >> 4], digits[c & 15]};

	return add(url, escape, sizeof(escape));
}

/* Path or query; what may not stand in a URL is escaped. */
static bool
add_rest(struct fetch_url *url, struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		const char c = s.ptr[i];
		const bool stands = c > 0x20 && c < 0x7f && !strchr("\"<>\\^`{|}", c);

		if (!(stands ? add(url, &c, 1) : add_escaped(url, c)))
			return false;
	}
	return true;
}

/* scheme://host[:port] of what was read. */
static bool
add_origin(struct fetch_url *url)
{
	char port[8];
	const bool is_usual = url->port == (url->is_tls ? 443 : 80);
	const bool is_v6 = url->kind == FETCH_HOST_IPV6;
	const int n = snprintf(port, sizeof(port), ":%u", url->port);

	url->len = 0;
	return add(url, "https://", 5 - !url->is_tls) && add(url, "://", 3) &&
	       (!is_v6 || add(url, "[", 1)) && add(url, url->host, strlen(url->host)) &&
	       (!is_v6 || add(url, "]", 1)) && (is_usual || add(url, port, (size_t)n));
}

/* A whole segment "." or "..", in any spelling: 1 or 2; else 0. */
static unsigned
dots(struct span segment)
{
	unsigned n = 0;

	while (segment.len) {
		if (segment.ptr[0] == '.')
			segment = span_after(segment, 1);
		else if (segment.len >= 3 && memcmp(segment.ptr, "%2", 2) == 0 &&
			 (segment.ptr[2] | 0x20) == 'e')
			segment = span_after(segment, 3);
		else
			return 0;
		if (++n > 2)
			return 0;
	}
	return n;
}

/* `path` without its dot segments (RFC 3986 5.2.4); it begins with a slash. */
static bool
add_path(struct fetch_url *url, struct span path)
{
	url->path_at = url->len;
	while (path.len) {
		const struct span rest = span_after(path, 1);
		const size_t len = span_until(rest, "/");
		const bool is_last = len == rest.len;
		const unsigned n = dots(span_from(rest.ptr, len));

		if (n == 2) {
			while (url->len > url->path_at && url->text[--url->len] != '/')
				;
			url->text[url->len] = '\0';
		}
		if (n == 0 ? !add(url, "/", 1) || !add_rest(url, span_from(rest.ptr, len))
			   : is_last && !add(url, "/", 1))
			return false;
		path = span_after(rest, len);
	}
	return url->len > url->path_at || add(url, "/", 1);
}

/* Without the fragment, which is the client's own business (RFC 9110 4.2.5). */
static struct span
without_fragment(struct span s)
{
	return span_from(s.ptr, span_until(s, "#"));
}

/* What follows the authority: "/path?query", "?query" or nothing. */
static bool
add_path_and_query(struct fetch_url *url, struct span s)
{
	const size_t len = span_until(s, "?");

	return add_path(url, len ? span_from(s.ptr, len) : SPAN_LIT("/")) &&
	       add_rest(url, span_after(s, len));
}

/* What follows "scheme:" */
static enum fetch_url_verdict
read_rest(struct span s, struct fetch_url *url, const char **why)
{
	if (s.len < 2 || memcmp(s.ptr, "//", 2) != 0) {
		*why = "has no // behind its scheme" WANTED;
		return FETCH_URL_MALFORMED;
	}
	s = span_after(s, 2);
	/* some take a backslash for a slash, and so would see another host */
	const size_t len = span_until(s, "/?#\\");
	const enum fetch_url_verdict verdict = read_authority(span_from(s.ptr, len), url, why);
	if (verdict != FETCH_URL_OK)
		return verdict;
	s = span_after(s, len);
	if (s.len && s.ptr[0] == '\\') {
		*why = "has a backslash behind its host" WANTED;
		return FETCH_URL_MALFORMED;
	}
	if (add_origin(url) && add_path_and_query(url, without_fragment(s)))
		return FETCH_URL_OK;
	*why = too_long;
	return FETCH_URL_MALFORMED;
}

/* The length of a scheme at the beginning (RFC 3986 3.1), without its colon; 0: there is none. */
static size_t
scheme_length(struct span s)
{
	size_t n = 0;

	if (s.len == 0 || !is_alpha(s.ptr[0]))
		return 0;
	while (n < s.len &&
	       (is_alpha(s.ptr[n]) || is_digit(s.ptr[n]) || (s.ptr[n] && strchr("+-.", s.ptr[n]))))
		n++;
	return n < s.len && s.ptr[n] == ':' ? n : 0;
}

/* `s` has a scheme of this length. */
static enum fetch_url_verdict
read_absolute(struct span s, size_t scheme_len, struct fetch_url *url, const char **why)
{
	const struct span scheme = span_from(s.ptr, scheme_len);

	url->is_tls = span_eq_nocase(scheme, SPAN_LIT("https"));
	if (!url->is_tls && !span_eq_nocase(scheme, SPAN_LIT("http"))) {
		*why = "has a scheme that is not fetched; accepted: http:// and https://";
		return FETCH_URL_NOT_ALLOWED;
	}
	return read_rest(span_after(s, scheme_len + 1), url, why);
}

static void
clear(struct fetch_url *url)
{
	memset(url, 0, offsetof(struct fetch_url, text) + 1);
}

enum fetch_url_verdict
fetch_url_parse(struct span text, struct fetch_url *url, const char **why)
{
	clear(url);
	if (text.len > FETCH_URL_MAX) {
		*why = too_long;
		return FETCH_URL_MALFORMED;
	}
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] <= 0x20 || text.ptr[i] >= 0x7f) {
			*why = "has blanks, controls or letters beyond ASCII; accepted: "
			       "percent-encoded ones, as in %20, and hosts as xn--...";
			return FETCH_URL_MALFORMED;
		}
	}
	const size_t scheme_len = scheme_length(text);
	if (!scheme_len) {
		*why = "has no scheme" WANTED;
		return FETCH_URL_MALFORMED;
	}
	return read_absolute(text, scheme_len, url, why);
}

/* A relative path, put behind the base's up to its last slash (RFC 3986 5.2.3). */
static bool
merge(const struct fetch_url *base, struct span relative, struct fetch_url *url)
{
	char joined[2 * FETCH_URL_MAX + 1];
	const struct span path = span_after(span_from(base->text, base->len), base->path_at);
	size_t keep = span_until(path, "?");
	const size_t len = span_until(relative, "?");

	if (len == 0) { /* the base's own path, and its query unless there is a new one */
		const struct span query = relative.len ? relative : span_after(path, keep);
		return add_path(url, span_from(path.ptr, keep)) && add_rest(url, query);
	}
	while (path.ptr[keep - 1] != '/')
		keep--;
	if (len > sizeof(joined) - keep)
		return false;
	char *end = put(put(joined, path.ptr, keep), relative.ptr, len);
	return add_path(url, span_from(joined, (size_t)(end - joined))) &&
	       add_rest(url, span_after(relative, len));
}

enum fetch_url_verdict
fetch_url_follow(const struct fetch_url *base, struct span location, struct fetch_url *url,
		 const char **why)
{
	clear(url);
	while (location.len && (location.ptr[0] == ' ' || location.ptr[0] == '\t'))
		location = span_after(location, 1);
	while (location.len &&
	       (location.ptr[location.len - 1] == ' ' || location.ptr[location.len - 1] == '\t'))
		location.len--;
	location = without_fragment(location);
	*why = too_long;
	if (location.len > FETCH_URL_MAX)
		return FETCH_URL_MALFORMED;

	const size_t scheme_len = scheme_length(location);
	if (scheme_len)
		return read_absolute(location, scheme_len, url, why);
	url->is_tls = base->is_tls;
	/* browsers take a backslash for a slash: who writes "\\host" means another host */
	if (location.len && location.ptr[0] == '\\') {
		*why = "begins with a backslash";
		return FETCH_URL_MALFORMED;
	}
	if (location.len >= 2 && location.ptr[0] == '/' &&
	    (location.ptr[1] == '/' || location.ptr[1] == '\\'))
		return read_rest(location, url, why);
	url->kind = base->kind;
	url->port = base->port;
	memcpy(url->address, base->address, sizeof(url->address));
	memcpy(url->host, base->host, sizeof(url->host));
	if (add_origin(url) &&
	    (location.len && location.ptr[0] == '/' ? add_path_and_query(url, location)
						    : merge(base, location, url)))
		return FETCH_URL_OK;
	return FETCH_URL_MALFORMED;
}

bool
fetch_url_same_origin(const struct fetch_url *a, const struct fetch_url *b)
{
	return a->is_tls == b->is_tls && a->port == b->port && strcmp(a->host, b->host) == 0;
}

size_t
fetch_url_origin(const struct fetch_url *url, char out[FETCH_ORIGIN_SIZE])
{
	const bool is_v6 = url->kind == FETCH_HOST_IPV6;
	const int n = snprintf(out, FETCH_ORIGIN_SIZE, "%s%s%s:%u", is_v6 ? "[" : "", url->host,
			       is_v6 ? "]" : "", url->port);

	return (size_t)n;
}
