/* links: src/fetch/url.c src/fetch/guard.c src/config/network.c */
/*
 * fuzz_fetch_url.c - URLs, and what a Location means there: what is taken has a normal form that is
 * its own, whose host says what the address says; and a name is nothing that inet_aton takes.
 *
 *	clang -g -O1 -std=c11 -D_GNU_SOURCE -Isrc -fsanitize=fuzzer,address,undefined \
 *		-fno-sanitize-recover=all -o fuzz_fetch_url tests/fuzz/fuzz_fetch_url.c \
 *		src/fetch/url.c src/fetch/guard.c src/config/network.c
 *	./fuzz_fetch_url -max_len=512 tests/fuzz/corpus/fetch_url
 *
 * Input: a URL, and after a newline a Location.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fetch/guard.h"
#include "fetch/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool ok)
{
	if (!ok)
		abort();
}

static void
check(const struct fetch_url *url)
{
	static char *ports[] = {"80", "443"};
	static const struct config config = {.fetch_ports = {2, ports}};
	static struct guard guard;
	struct fetch_url again;
	struct in_addr ipv4;
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6, .sin6_port = htons(url->port)};
	const char *why = NULL;

	must(url->len == strlen(url->text) && url->len <= FETCH_URL_MAX);
	must(url->text[url->path_at] == '/' && url->port > 0);
	for (size_t i = 0; i < url->len; i++)
		must(url->text[i] > 0x20 && url->text[i] < 0x7f && url->text[i] != '#');
	/* before the path: a scheme, a host and maybe a port, and nothing else */
	must(!memchr(url->text, '@', url->path_at) && !memchr(url->text, '\\', url->path_at));
	must(fetch_url_parse(span_from(url->text, url->len), &again, &why) == FETCH_URL_OK);
	must(strcmp(again.text, url->text) == 0 && fetch_url_same_origin(&again, url));
	must(again.kind == url->kind && memcmp(again.address, url->address, 16) == 0);
	if (url->kind == FETCH_HOST_NAME)
		must(!inet_aton(url->host, &ipv4));
	else if (url->kind == FETCH_HOST_IPV4)
		must(inet_pton(AF_INET, url->host, &ipv4) == 1 &&
		     memcmp(&ipv4, url->address, 4) == 0);
	guard_init(&guard, &config);
	why = guard_check_url(&guard, url);
	if (url->kind == FETCH_HOST_IPV6) { /* both ways of asking agree */
		memcpy(&sin6.sin6_addr, url->address, 16);
		must(guard_check(&guard, (struct sockaddr *)&sin6) == why);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	const char *newline = size ? memchr(text, '\n', size) : NULL;
	const size_t len = newline ? (size_t)(newline - text) : size;
	struct fetch_url base, url;
	const char *why = NULL;

	if (fetch_url_parse(span_from(text, len), &base, &why) != FETCH_URL_OK) {
		must(why != NULL);
		must(fetch_url_parse(SPAN_LIT("http://a/b/c?d"), &base, &why) == FETCH_URL_OK);
	} else {
		check(&base);
	}
	if (!newline)
		return 0;
	if (fetch_url_follow(&base, span_from(newline + 1, size - len - 1), &url, &why) ==
	    FETCH_URL_OK)
		check(&url);
	return 0;
}
