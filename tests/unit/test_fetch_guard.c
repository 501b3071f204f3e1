/* links: src/fetch/guard.c src/fetch/url.c src/config/network.c */
/*
 * test_fetch_guard.c - which addresses and ports are connected to: the classes of addresses in all
 * their spellings, the exceptions, and this machine's own.
 */
#include "fetch/guard.h"

#include <arpa/inet.h>
#include <check.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/network.h"

static char *ports[] = {"80", "443"};
static char *allow[8];
static struct listen_address listens[4];
static struct config config;
static struct guard guard;

/* `rules` are words of fetch.allow, `own` of server.listen ("127.0.0.1:8080"). */
static void
set_up(const char *const *rules, size_t n, const char *own)
{
	config.fetch_ports = (struct words){2, ports};
	for (size_t i = 0; i < n; i++)
		allow[i] = (char *)(uintptr_t)rules[i];
	config.fetch_allow = (struct words){n, allow};
	config.server_listen = (struct listens){0, listens};
	if (own) {
		struct sockaddr_in *sin = (struct sockaddr_in *)&listens[0].addr;
		struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)&listens[0].addr;
		char host[64];
		const char *colon = strrchr(own, ':');

		memset(&listens[0], 0, sizeof(listens[0]));
		snprintf(host, sizeof(host), "%.*s", (int)(colon - own), own);
		if (inet_pton(AF_INET, host, &sin->sin_addr) == 1) {
			sin->sin_family = AF_INET;
			sin->sin_port = htons((uint16_t)atoi(colon + 1));
		} else {
			ck_assert_int_eq(inet_pton(AF_INET6, host, &sin6->sin6_addr), 1);
			sin6->sin6_family = AF_INET6;
			sin6->sin6_port = htons((uint16_t)atoi(colon + 1));
		}
		config.server_listen.n = 1;
	}
	guard_init(&guard, &config);
}

static const char *
check_url(const char *text)
{
	struct fetch_url url;
	const char *why = "?";

	ck_assert_msg(fetch_url_parse(span_str(text), &url, &why) == FETCH_URL_OK, "%s %s", text,
		      why);
	return guard_check_url(&guard, &url);
}

/* As the kernel gets it. */
static const char *
check_address(const char *text, uint16_t port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

	if (inet_pton(AF_INET, text, &sin.sin_addr) == 1)
		return guard_check(&guard, (struct sockaddr *)&sin);
	ck_assert_int_eq(inet_pton(AF_INET6, text, &sin6.sin6_addr), 1);
	return guard_check(&guard, (struct sockaddr *)&sin6);
}

static const char *const refused[] = {
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.0",
    "10.255.255.255",
    "100.64.0.0",
    "100.100.100.200",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.255",
    "169.254.169.254",
    "169.254.0.0",
    "172.16.0.0",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.255",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.255",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "168.63.129.16",
    "::",
    "::1",
    "::2",
    "::127.0.0.1",
    "::8.8.8.8",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:8.8.8.8",
    "::ffff:0:8.8.8.8",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "ff02::1",
    "2001:db8::1",
    "100::1",
    "64:ff9b::7f00:1",
    "64:ff9b::808:808",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2002:808:808::1",
    "2001::1",
    "2001:0:7f00:1::",
    "2001:10::1",
    "2001:20::1",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "8000::1",
    "1::1",
};

START_TEST(special_address_is_refused)
{
	char url[128];
	const bool is_v6 = strchr(refused[_i], ':') != NULL;

	set_up(NULL, 0, NULL);
	ck_assert_ptr_nonnull(check_address(refused[_i], 80));
	ck_assert_ptr_nonnull(check_address(refused[_i], 443));
	snprintf(url, sizeof(url), is_v6 ? "http://[%s]/" : "http://%s/", refused[_i]);
	ck_assert_msg(check_url(url) != NULL, "%s", url);
}
END_TEST

static const char *const taken[] = {
    "1.1.1.1",         "8.8.8.8",        "9.255.255.255",  "11.0.0.0",
    "100.63.255.255",  "100.128.0.0",    "126.0.0.1",      "128.0.0.1",
    "169.253.255.255", "169.255.0.0",    "172.15.255.255", "172.32.0.0",
    "192.0.1.0",       "192.0.3.0",      "192.88.98.255",  "192.167.255.255",
    "192.169.0.0",     "198.17.255.255", "198.20.0.0",     "198.51.101.0",
    "203.0.112.0",     "223.255.255.1",  "168.63.129.15",  "168.63.129.17",
    "2606:4700::1111", "2a00:1450::1",   "2001:200::1",    "2001:4860:4860::8888",
    "2003::1",         "3ffe::1",        "2000::1",
};

START_TEST(public_address_is_taken)
{
	char url[128];
	const bool is_v6 = strchr(taken[_i], ':') != NULL;

	set_up(NULL, 0, NULL);
	ck_assert_ptr_null(check_address(taken[_i], 80));
	ck_assert_ptr_null(check_address(taken[_i], 443));
	ck_assert_ptr_nonnull(check_address(taken[_i], 8080));
	ck_assert_ptr_nonnull(check_address(taken[_i], 22));
	snprintf(url, sizeof(url), is_v6 ? "http://[%s]/" : "http://%s/", taken[_i]);
	ck_assert_ptr_null(check_url(url));
}
END_TEST

/* What is in a URL before anybody has looked up a name: the corpus of everybody's bug reports. */
static const char *const forgeries[] = {
    "http://127.0.0.1/",
    "http://127.1/",
    "http://127.0.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.0x0.0x0.0x1/",
    "http://0177.0.0.1/",
    "http://017700000001/",
    "http://00000177.1/",
    "http://127.0.0.1./",
    "http://0/",
    "http://0.0.0.0/",
    "http://[::]/",
    "http://[::1]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[0:0:0:0:0:ffff:127.0.0.1]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::127.0.0.1]/",
    "http://[2002:7f00:1::1]/",
    "http://169.254.169.254/latest/meta-data/",
    "http://2852039166/",
    "http://0xA9FEA9FE/",
    "http://0251.0376.0251.0376/",
    "http://[fd00:ec2::254]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://168.63.129.16/",
    "http://100.100.100.200/",
    "http://192.0.0.192/",
    "http://10.0.0.1/",
    "http://167772161/",
    "http://example.com:22/",
    "http://example.com:6379/",
    "https://example.com:8443/",
    "http://1.1.1.1:25/",
};

START_TEST(forgery_is_seen_at_once)
{
	set_up(NULL, 0, NULL);
	ck_assert_msg(check_url(forgeries[_i]) != NULL, "%s", forgeries[_i]);
}
END_TEST

START_TEST(name_is_taken_until_it_is_looked_up)
{
	set_up(NULL, 0, NULL);
	ck_assert_ptr_null(check_url("http://localhost/"));
	ck_assert_ptr_null(check_url("https://example.com/"));
	ck_assert_ptr_null(check_url("https://example.com:80/"));
	ck_assert_ptr_null(check_url("http://127.0.0.1.example.com/"));
}
END_TEST

START_TEST(exceptions_are_exact)
{
	static const char *const rules[] = {"127.0.0.1:8081", "10.1.0.0/16", "[::1]:8081",
					    "fd00::/8:443", "192.168.7.0/24:80"};

	set_up(rules, 5, NULL);
	ck_assert_ptr_null(check_address("127.0.0.1", 8081));
	ck_assert_ptr_nonnull(check_address("127.0.0.1", 8082));
	ck_assert_ptr_nonnull(check_address("127.0.0.1", 80));
	ck_assert_ptr_nonnull(check_address("127.0.0.2", 8081));
	/* the same host for the kernel */
	ck_assert_ptr_null(check_address("::ffff:127.0.0.1", 8081));
	ck_assert_ptr_null(check_url("http://[::ffff:7f00:1]:8081/"));
	ck_assert_ptr_null(check_url("http://0x7f.1:8081/"));
	/* any port */
	ck_assert_ptr_null(check_address("10.1.0.0", 1));
	ck_assert_ptr_null(check_address("10.1.255.255", 65535));
	ck_assert_ptr_nonnull(check_address("10.2.0.0", 80));
	ck_assert_ptr_nonnull(check_address("10.0.255.255", 80));
	ck_assert_ptr_null(check_address("::1", 8081));
	ck_assert_ptr_nonnull(check_address("::1", 80));
	ck_assert_ptr_null(check_address("fdff::1", 443));
	ck_assert_ptr_nonnull(check_address("fdff::1", 80));
	ck_assert_ptr_nonnull(check_address("fc00::1", 443));
	ck_assert_ptr_null(check_address("192.168.7.255", 80));
	ck_assert_ptr_nonnull(check_address("192.168.8.0", 80));
	/* nothing else has changed */
	ck_assert_ptr_null(check_address("1.1.1.1", 80));
	ck_assert_ptr_nonnull(check_address("1.1.1.1", 8081));
	/* a name may turn out to be one of them: 10.1.0.0/16 is for any port */
	ck_assert_ptr_null(check_url("http://intern.example:9999/"));
}
END_TEST

START_TEST(name_at_a_port_that_no_exception_has_is_refused)
{
	static const char *const rules[] = {"127.0.0.1:8081"};

	set_up(rules, 1, NULL);
	ck_assert_ptr_null(check_url("http://localhost:8081/"));
	ck_assert_ptr_nonnull(check_url("http://localhost:8082/"));
}
END_TEST

START_TEST(everything_is_an_exception)
{
	static const char *const v4[] = {"0.0.0.0/0"}, *const all[] = {"::/0"};

	set_up(v4, 1, NULL);
	ck_assert_ptr_null(check_address("127.0.0.1", 22));
	ck_assert_ptr_nonnull(check_address("::1", 80));
	set_up(all, 1, NULL);
	ck_assert_ptr_null(check_address("127.0.0.1", 22));
	ck_assert_ptr_null(check_address("::1", 80));
}
END_TEST

/* Which option would let it through; of two reasons the one that is enough to mend. */
static const struct {
	const char *url, *why, *option; /* NULL: nothing would */
} ways_out[] = {
    {"http://127.0.0.1/", "is at a loopback address; ", "fetch.allow"},
    {"http://10.0.0.1/", "is at a private address; ", "fetch.allow"},
    {"http://[fe80::1]/", "is at a link-local address; ", "fetch.allow"},
    {"http://0.0.0.0/", "is at an address that is not of the public", "fetch.allow"},
    {"http://[64:ff9b::1]/", "is at an IPv6 address with an IPv4", "fetch.allow"},
    {"http://[::ffff:8.8.8.8]/", "is at an IPv6 address with an IPv4", "fetch.allow"},
    {"http://8.8.8.8:8081/", "is asked at a port that ", "fetch.ports"},
    {"http://example.org:8081/", "is asked at a port that ", "fetch.ports"},
    /* with fetch.ports alone it would be refused for its address then */
    {"http://127.0.0.1:8081/", "is at a loopback address; ", "fetch.allow"},
    {"http://10.0.0.1:22/", "is at a private address; ", "fetch.allow"},
    {"http://127.0.0.1:8080/", "is this server itself", NULL},
};

START_TEST(way_out_is_told)
{
	static const char *const options[] = {"fetch.allow", "fetch.ports"};

	set_up(NULL, 0, "127.0.0.1:8080");
	const char *why = check_url(ways_out[_i].url);
	ck_assert_ptr_nonnull(why);
	ck_assert_msg(strncmp(why, ways_out[_i].why, strlen(ways_out[_i].why)) == 0, "%s: %s",
		      ways_out[_i].url, why);
	for (size_t i = 0; i < 2; i++) {
		const bool is_it =
		    ways_out[_i].option && strcmp(ways_out[_i].option, options[i]) == 0;
		ck_assert_msg((strstr(why, options[i]) != NULL) == is_it, "%s: %s",
			      ways_out[_i].url, why);
	}
}
END_TEST

START_TEST(our_own_address_is_never_connected_to)
{
	static const char *const all[] = {"0.0.0.0/0", "::/0"};

	set_up(all, 2, "127.0.0.1:8080");
	ck_assert_str_eq(check_address("127.0.0.1", 8080),
			 "is this server itself, which is never fetched");
	ck_assert_str_eq(check_address("::ffff:127.0.0.1", 8080),
			 "is this server itself, which is never fetched");
	/* the kernel makes these the loopback */
	ck_assert_str_eq(check_address("0.0.0.0", 8080),
			 "is this server itself, which is never fetched");
	ck_assert_str_eq(check_address("::", 8080),
			 "is this server itself, which is never fetched");
	ck_assert_str_eq(check_url("http://0:8080/"),
			 "is this server itself, which is never fetched");
	ck_assert_ptr_null(check_address("127.0.0.1", 8081));
	ck_assert_ptr_null(check_address("127.0.0.2", 8080));

	set_up(all, 2, "::1:8080"); /* [::1]:8080 */
	ck_assert_ptr_nonnull(check_address("::1", 8080));
	ck_assert_ptr_null(check_address("127.0.0.1", 8080));
}
END_TEST

/* One that is not of the loopback, or NULL. */
static const char *
interface_address(char out[INET6_ADDRSTRLEN])
{
	struct ifaddrs *list;
	const char *found = NULL;

	ck_assert_int_eq(getifaddrs(&list), 0);
	for (const struct ifaddrs *i = list; i && !found; i = i->ifa_next) {
		const struct sockaddr_in *sin = (const struct sockaddr_in *)i->ifa_addr;
		if (sin && sin->sin_family == AF_INET && ntohl(sin->sin_addr.s_addr) >> 24 != 127)
			found = inet_ntop(AF_INET, &sin->sin_addr, out, INET6_ADDRSTRLEN);
	}
	freeifaddrs(list);
	return found;
}

START_TEST(listening_everywhere_is_each_address_of_this_machine)
{
	static const char *const all[] = {"0.0.0.0/0", "::/0"};
	static const char *const wild[] = {"0.0.0.0:8080", ":::8080"};
	char text[INET6_ADDRSTRLEN];
	const char *mine = interface_address(text);

	for (size_t i = 0; i < 2; i++) {
		set_up(all, 2, wild[i]);
		guard_look(&guard, 5000);
		ck_assert_uint_gt(guard.n_local, 0);
		ck_assert_ptr_nonnull(check_address("127.0.0.1", 8080));
		ck_assert_ptr_nonnull(check_address("127.1.2.3", 8080));
		ck_assert_ptr_nonnull(check_address("::1", 8080));
		ck_assert_ptr_null(check_address("127.0.0.1", 8081));
		ck_assert_ptr_null(check_address("10.0.0.1", 80));
		if (mine) {
			ck_assert_ptr_nonnull(check_address(mine, 8080));
			ck_assert_ptr_null(check_address(mine, 8081));
		}
		guard_fini(&guard);
	}
}
END_TEST

START_TEST(too_many_of_our_own_close_this_machine)
{
	static const char *const all[] = {"0.0.0.0/0"};
	struct sockaddr_storage address = {0};
	struct sockaddr_in *sin = (struct sockaddr_in *)&address;

	set_up(all, 1, NULL);
	sin->sin_family = AF_INET;
	sin->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (uint16_t i = 0; i < GUARD_OWN_MAX; i++) {
		sin->sin_port = htons((uint16_t)(1000 + i));
		ck_assert(guard_add_own(&guard, &address));
	}
	ck_assert_ptr_null(check_address("127.0.0.1", 7));
	sin->sin_port = htons(2000);
	ck_assert(!guard_add_own(&guard, &address));
	ck_assert_ptr_nonnull(check_address("127.0.0.1", 7));
	ck_assert_ptr_nonnull(check_address("127.0.0.1", 2000));
	ck_assert_ptr_null(check_address("10.0.0.1", 7));
}
END_TEST

static const char of_this_machine[] = "is at an address of this machine; accepted: others and "
				      "those that fetch.allow names for this port or any";

/* An interface may have an address of the public Internet: it is still this machine. */
START_TEST(address_of_an_interface_is_refused)
{
	char text[INET6_ADDRSTRLEN];
	const char *mine = interface_address(text);
	struct guard_address local = {0};
	const uint8_t public[4] = {8, 8, 8, 8};

	set_up(NULL, 0, NULL);
	guard_look(&guard, 1);
	if (mine)
		ck_assert_ptr_nonnull(check_address(mine, 80));
	guard_fini(&guard);
	network_map_ipv4(public, &local.address);
	guard.local = &local;
	guard.n_local = 1;
	ck_assert_str_eq(check_address("8.8.8.8", 80), of_this_machine);
	ck_assert_ptr_null(check_address("8.8.4.4", 80));
	guard.local = NULL;
	guard.n_local = 0;
}
END_TEST

/* What a sandbox does not tell of the interfaces, a connection does. */
START_TEST(connection_to_oneself_is_seen)
{
	static const char *const rules[] = {"10.0.0.0/8"};
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(80)};
	const struct sockaddr *address = (const struct sockaddr *)&sin;

	set_up(rules, 1, "0.0.0.0:8080");
	inet_pton(AF_INET, "8.8.8.8", &sin.sin_addr);
	ck_assert_ptr_null(guard_check(&guard, address));
	ck_assert_str_eq(guard_check_self(&guard, address), of_this_machine);
	inet_pton(AF_INET, "10.0.0.1", &sin.sin_addr);
	ck_assert_ptr_null(guard_check_self(&guard, address));
	sin.sin_port = htons(8080);
	ck_assert_ptr_null(guard_check(&guard, address));
	ck_assert_str_eq(guard_check_self(&guard, address),
			 "is this server itself, which is never fetched");
	/* what is refused anyway */
	inet_pton(AF_INET, "192.168.0.1", &sin.sin_addr);
	ck_assert_ptr_nonnull(guard_check_self(&guard, address));
}
END_TEST

START_TEST(interfaces_are_looked_at_now_and_then)
{
	set_up(NULL, 0, NULL);
	guard_look(&guard, 1000);
	const struct guard_address *first = guard.local;
	guard_look(&guard, 1999);
	ck_assert_ptr_eq(guard.local, first);
	ck_assert_uint_eq(guard.looked_ms, 1000);
	guard_look(&guard, 2000);
	ck_assert_uint_eq(guard.looked_ms, 2000);
	guard_fini(&guard);
}
END_TEST

START_TEST(other_families_are_refused)
{
	const struct sockaddr unix_address = {.sa_family = AF_UNIX};

	set_up(NULL, 0, NULL);
	ck_assert_ptr_nonnull(guard_check(&guard, &unix_address));
}
END_TEST

static const struct {
	const char *word;
	bool is_good;
	unsigned prefix;
	uint16_t port;
} words[] = {
    {"10.0.0.0/8", true, 104, 0},
    {"10.1.2.3", true, 128, 0},
    {"10.1.2.3:80", true, 128, 80},
    {"10.0.0.0/8:65535", true, 104, 65535},
    {"0.0.0.0/0", true, 96, 0},
    {"::/0", true, 0, 0},
    {"::1", true, 128, 0},
    {"[::1]", true, 128, 0},
    {"[::1]:80", true, 128, 80},
    {"fd00::/8", true, 8, 0},
    {"fd00::/8:80", true, 8, 80},
    {"[fd00::]/8:80", true, 8, 80},
    {"::ffff:10.0.0.0/104", true, 104, 0},
    {"2001:db8::1/128:1", true, 128, 1},
    {"", false, 0, 0},
    {"localhost", false, 0, 0},
    {"10", false, 0, 0},
    {"10.0.0.0/", false, 0, 0},
    {"10.0.0.0/33", false, 0, 0},
    {"10.0.0.0/08", false, 0, 0},
    {"10.0.0.0/-1", false, 0, 0},
    {"10.0.0.1/8", false, 0, 0},
    {"10.0.0.0/8:", false, 0, 0},
    {"10.0.0.0/8:0", false, 0, 0},
    {"10.0.0.0/8:65536", false, 0, 0},
    {"10.0.0.0/8:80x", false, 0, 0},
    {"10.0.0.0:", false, 0, 0},
    {":80", false, 0, 0},
    {"[::1", false, 0, 0},
    {"[::1]80", false, 0, 0},
    {"[10.0.0.1]:80", false, 0, 0},
    {"fd00::/129", false, 0, 0},
    {"fd00::1/8", false, 0, 0},
    {"*", false, 0, 0},
    {"0x7f.1", false, 0, 0},
    {"1.2.3.4/32/1", false, 0, 0},
};

START_TEST(range_is_read)
{
	struct network network;
	const char *wrong = network_parse(words[_i].word, &network);

	ck_assert_msg((wrong == NULL) == words[_i].is_good, "%s %s", words[_i].word,
		      wrong ? wrong : "is good");
	if (!wrong) {
		ck_assert_uint_eq(network.prefix, words[_i].prefix);
		ck_assert_uint_eq(network.port, words[_i].port);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("fetch guard");
	TCase *tcase = tcase_create("addresses");

	tcase_add_loop_test(tcase, special_address_is_refused, 0,
			    sizeof(refused) / sizeof(refused[0]));
	tcase_add_loop_test(tcase, public_address_is_taken, 0, sizeof(taken) / sizeof(taken[0]));
	tcase_add_loop_test(tcase, forgery_is_seen_at_once, 0,
			    sizeof(forgeries) / sizeof(forgeries[0]));
	tcase_add_test(tcase, name_is_taken_until_it_is_looked_up);
	tcase_add_test(tcase, exceptions_are_exact);
	tcase_add_test(tcase, name_at_a_port_that_no_exception_has_is_refused);
	tcase_add_test(tcase, everything_is_an_exception);
	tcase_add_loop_test(tcase, way_out_is_told, 0, sizeof(ways_out) / sizeof(ways_out[0]));
	tcase_add_test(tcase, our_own_address_is_never_connected_to);
	tcase_add_test(tcase, listening_everywhere_is_each_address_of_this_machine);
	tcase_add_test(tcase, too_many_of_our_own_close_this_machine);
	tcase_add_test(tcase, address_of_an_interface_is_refused);
	tcase_add_test(tcase, connection_to_oneself_is_seen);
	tcase_add_test(tcase, interfaces_are_looked_at_now_and_then);
	tcase_add_test(tcase, other_families_are_refused);
	tcase_add_loop_test(tcase, range_is_read, 0, sizeof(words) / sizeof(words[0]));
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
