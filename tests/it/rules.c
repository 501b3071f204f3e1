/*
 * rules.c - see rules.h.
 */
#include "rules.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "harness.h"

#define MAX_OPTIONS 32
/* What a client that has not seen its answer sends on: more than any one read takes. */
#define STILL_SENT 200000

static const char *const via_names[VIA_COUNT] = {
    [VIA_IPV4] = "IPv4", [VIA_IPV6] = "IPv6, byte by byte", [VIA_UNIX] = "a unix socket"};

/* ---- the daemon ---- */

static bool
machine_has_ipv6(void)
{
	struct sockaddr_in6 addr = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool can = fd >= 0 && bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0;

	if (fd >= 0)
		close(fd);
	if (!can)
		fprintf(stderr, "no IPv6 here: rules are not tried over it\n");
	return can;
}

void
rules_start(struct rules *r, ...)
{
	const char *options[MAX_OPTIONS];
	size_t n = 0;
	va_list ap;

	memset(r, 0, sizeof(*r));
	bool has_ipv6 = machine_has_ipv6();
	r->path = (char *)(uintptr_t)it_path("rules.sock");
	char *listen =
	    it_printf("server.listen=127.0.0.1:0 %s unix:%s", has_ipv6 ? "[::1]:0" : "", r->path);
	options[n++] = listen;
	va_start(ap, r);
	for (const char *o; (o = va_arg(ap, const char *)) != NULL;) {
		ck_assert_uint_lt(n, MAX_OPTIONS - 1);
		options[n++] = o;
	}
	va_end(ap);
	options[n] = NULL;
	struct daemon_spec spec = {.options = options};
	r->daemon = daemon_start_spec(&spec);
	free(listen);
	r->port[VIA_IPV4] = daemon_port(r->daemon);
	const char *v6 = strstr(daemon_ready_line(r->daemon), "[::1]:");
	if (v6)
		r->port[VIA_IPV6] = (uint16_t)strtoul(v6 + 6, NULL, 10);
	r->n_workers = daemon_workers(r->daemon, r->workers);
	ck_assert_uint_gt(r->n_workers, 0);
}

static bool
has_worker(const struct rules *r, pid_t pid)
{
	for (size_t i = 0; i < r->n_workers; i++) {
		if (r->workers[i] == pid)
			return true;
	}
	return false;
}

void
rules_stop(struct rules *r)
{
	pid_t now[PROCFS_MAX];

	ck_assert_uint_eq(daemon_workers(r->daemon, now), r->n_workers);
	for (size_t i = 0; i < r->n_workers; i++)
		ck_assert_msg(has_worker(r, now[i]), "a worker has died");
	daemon_stop(r->daemon);
	free(r->path);
}

bool
rules_have(const struct rules *r, enum rule_via via)
{
	return via == VIA_UNIX || r->port[via] != 0;
}

void
rules_open(const struct rules *r, enum rule_via via, struct http_conn *c)
{
	struct sockaddr_in6 addr = {.sin6_family = AF_INET6,
				    .sin6_addr = IN6ADDR_LOOPBACK_INIT,
				    .sin6_port = htons(r->port[VIA_IPV6])};

	switch (via) {
	case VIA_IPV4: http_open(c, r->port[VIA_IPV4]); break;
	case VIA_IPV6: http_open_to(c, (struct sockaddr *)&addr, sizeof(addr)); break;
	default: http_open_unix(c, r->path); break;
	}
}

char *
rules_mute_database(int *fd)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(addr);

	*fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(*fd, (struct sockaddr *)&addr, len), 0);
	ck_assert_int_eq(listen(*fd, 64), 0);
	ck_assert_int_eq(getsockname(*fd, (struct sockaddr *)&addr, &len), 0);
	return it_printf("store.database=host=127.0.0.1 port=%u dbname=plaza user=plaza "
			 "sslmode=disable",
			 ntohs(addr.sin_port));
}

/* ---- one answer ---- */

/* RFC 9110 5.1 and 5.5, 9112 5: what each line of a head of ours has to be. */
static char *
check_lines(const struct http_answer *a)
{
	static const char token[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

	for (const char *line = strstr(a->head, "\r\n") + 2; *line;) {
		const char *end = strstr(line, "\r\n");
		size_t name = strspn(line, token);
		if (name == 0 || line[name] != ':' || line[name + 1] != ' ')
			return it_printf("no header line: %.*s", (int)(end - line), line);
		for (const char *p = line; p < end; p++) {
			if ((unsigned char)*p < ' ' || *p == 0x7f)
				return it_printf("a control character in: %.*s", (int)(end - line),
						 line);
		}
		line = end + 2;
	}
	return NULL;
}

/* What every answer has to be, whatever it answers. */
static char *
check_answer(const struct http_answer *a)
{
	const bool is_interim = a->status < 200;
	const size_t lengths = http_field_count(a, "Content-Length");
	const size_t codings = http_field_count(a, "Transfer-Encoding");
	const char *date = http_field(a, "Date");

	if (lengths + codings > 1)
		return it_printf("its length is told in more than one way");
	/* RFC 9110 8.6, RFC 9112 6.1 */
	if ((is_interim || a->status == 204) && lengths + codings)
		return it_printf("the length of an answer that has no body");
	/* RFC 9110 6.6.1 */
	if (!is_interim && (http_field_count(a, "Date") != 1 ||
			    strlen(date) != strlen("Sun, 06 Nov 1994 08:49:37 "
						   "GMT") ||
			    strcmp(date + 25, " GMT") != 0))
		return it_printf("no Date");
	if (http_field_count(a, "Connection") > 1)
		return it_printf("two Connection fields");
	/* RFC 9110 8.3 */
	if (a->body_len && http_field_count(a, "Content-Type") != 1)
		return it_printf("a body without Content-Type");
	return check_lines(a);
}

/* The first element of the list at `p`, which goes on behind it; false at its end. */
static bool
next_element(const char **p, size_t *len)
{
	*p += strspn(*p, ", \t");
	*len = strcspn(*p, ",\r");
	return *len > 0;
}

static bool
lists(const struct http_answer *a, const char *name, size_t name_len, const char *element)
{
	for (const char *line = a->head; (line = strstr(line, "\r\n")) != NULL;) {
		const char *p = (line += 2) + name_len + 1;
		if (strncasecmp(line, name, name_len) != 0 || line[name_len] != ':')
			continue;
		for (size_t len; next_element(&p, &len); p += len) {
			if (len == strlen(element) && strncasecmp(p, element, len) == 0)
				return true;
		}
	}
	return false;
}

/* One line of rule_answer.fields. */
static char *
check_field(const struct http_answer *a, const char *line)
{
	char name[64];

	if (*line == '!') {
		const char *value = http_field(a, line + 1);
		return value ? it_printf("it has %s: %s", line + 1, value) : NULL;
	}
	size_t n = strcspn(line, ":~");
	ck_assert_uint_lt(n, sizeof(name));
	if (line[n] == '~')
		return lists(a, line, n, line + n + 1)
			   ? NULL
			   : it_printf("%.*s has no %s", (int)n, line, line + n + 1);
	memcpy(name, line, n);
	name[n] = '\0';
	size_t times = http_field_count(a, name);
	if (times != 1)
		return it_printf("%s comes %zu times", name, times);
	const char *want = line + n + 1 + strspn(line + n + 1, " ");
	const char *value = http_field(a, name);
	/* options and protocols have no case (RFC 9110 7.6.1, 7.8) */
	const bool has_case = strcmp(name, "Connection") != 0 && strcmp(name, "Upgrade") != 0;
	return *want && (has_case ? strcmp(value, want) : strcasecmp(value, want)) != 0
		   ? it_printf("%s is %s, not %s", name, value, want)
		   : NULL;
}

static char *
check_fields(const struct http_answer *a, const char *fields)
{
	char *wrong = NULL, *lines = it_printf("%s", fields), *save = NULL;

	for (char *line = strtok_r(lines, "\n", &save); line && !wrong;
	     line = strtok_r(NULL, "\n", &save))
		wrong = check_field(a, line);
	free(lines);
	return wrong;
}

static char *
check_body(const struct http_answer *a, const char *want)
{
	if (!want)
		return a->body_len ? NULL : it_printf("its body is empty");
	if (want == HEAD_ONLY)
		return NULL;
	if (*want == '~')
		return strstr(a->body, want + 1) ? NULL : it_printf("no \"%s\" in it", want + 1);
	return a->body_len == strlen(want) && memcmp(a->body, want, a->body_len) == 0
		   ? NULL
		   : it_printf("its body is not \"%s\"", want);
}

char *
rule_read(struct http_conn *c, const struct rule_answer *want, bool *is_last)
{
	struct http_answer a;
	char *wrong = NULL;
	const char *broken = http_try_read(c, want->body == HEAD_ONLY ? "HEAD" : "GET", &a);

	if (broken)
		wrong = it_printf("%s", broken);
	else if (a.status != want->status)
		wrong = it_printf("it is %d, not %d", a.status, want->status);
	else
		wrong = check_answer(&a);
	if (!wrong && want->fields)
		wrong = check_fields(&a, want->fields);
	if (!wrong)
		wrong = check_body(&a, want->body);
	*is_last = a.close;
	if (wrong && a.head) {
		char *more = it_printf("%s:\n%s%s", wrong, a.head, a.body ? a.body : "");
		free(wrong);
		wrong = more;
	}
	http_answer_fini(&a);
	return wrong;
}

char *
rule_read_end(struct http_conn *c)
{
	const uint64_t until = it_now_ms() + IT_DEADLINE_MS;
	char piece[256];

	if (c->len)
		return it_printf("unasked bytes before the end: %.*s", (int)c->len, c->buf);
	for (;;) {
		struct pollfd p = {c->fd, POLLIN, 0};
		const uint64_t now = it_now_ms();

		if (now >= until || poll(&p, 1, (int)(until - now)) <= 0)
			return it_printf("the connection stays open");
		ssize_t n = recv(c->fd, piece, sizeof(piece), 0);
		if (n > 0)
			return it_printf("unasked bytes before the end: %.*s", (int)n, piece);
		if (n == 0)
			return NULL;
		if (errno != EINTR)
			return it_printf("the end is no end: %s", strerror(errno));
	}
}

/* ---- one rule ---- */

static char *
read_after(struct http_conn *c)
{
	static const char request[] = GET("/after", "");
	const struct rule_answer after = {200, NULL, "Hello, after"};
	bool is_last;

	if (!http_try_send(c, request, sizeof(request) - 1))
		return it_printf("no further request is taken: %s", strerror(errno));
	char *wrong = rule_read(c, &after, &is_last);
	if (!wrong)
		return NULL;
	char *more = it_printf("the request after it: %s", wrong);
	free(wrong);
	return more;
}

char *
rule_finish(struct http_conn *c, const struct rule *rule)
{
	bool is_last = false;

	for (size_t i = 0; i < RULE_ANSWERS && rule->answer[i].status; i++) {
		if (is_last)
			return it_printf("answer %zu says that it is the last one", i);
		char *wrong = rule_read(c, &rule->answer[i], &is_last);
		if (wrong) {
			char *more = it_printf("answer %zu: %s", i + 1, wrong);
			free(wrong);
			return more;
		}
	}
	switch (rule->end) {
	case TAKEN: return NULL;
	case STAYS:
		return is_last ? it_printf("it ends the connection (Connection: close)")
			       : read_after(c);
	default: break;
	}
	if (rule->end == CUT && is_last)
		return it_printf("it is the last one by its own words (Connection: close)");
	if (rule->end != CUT && !is_last)
		return it_printf("it does not say that it is the last one (Connection: close)");
	return rule_read_end(c);
}

static bool
send_rule(struct http_conn *c, const struct rule *rule, enum rule_via via)
{
	static char more[STILL_SENT];

	if (via != VIA_IPV6) {
		if (!http_try_send(c, rule->sent, rule->sent_len))
			return false;
	} else {
		for (size_t i = 0; i < rule->sent_len; i++) {
			if (!http_try_send(c, rule->sent + i, 1))
				return false;
		}
	}
	if (rule->end != LINGERS && rule->end != CUT)
		return true;
	memset(more, 'x', sizeof(more));
	return http_try_send(c, more, sizeof(more));
}

void
rules_hold(const struct rules *r, const char *table, const struct rule *rules, size_t n)
{
	unsigned broken = 0;

	for (size_t i = 0; i < n; i++) {
		const struct rule *rule = &rules[i];
		bool is_told = false;
		for (enum rule_via via = 0; via < VIA_COUNT; via++) {
			struct http_conn c;
			char *wrong;

			if (!rules_have(r, via) || (rule->only && !(rule->only & 1u << via)))
				continue;
			rules_open(r, via, &c);
			if (send_rule(&c, rule, via))
				wrong = rule_finish(&c, rule);
			else
				wrong = it_printf("it cannot be sent: %s", strerror(errno));
			http_close(&c);
			if (!wrong)
				continue;
			if (!is_told)
				fprintf(stderr, "%s: RFC %s\n", table, rule->name);
			/* the whole answer once, for it is most often the same */
			fprintf(stderr, "    over %s: %.*s\n", via_names[via],
				(int)(is_told ? strcspn(wrong, "\n") : strlen(wrong)), wrong);
			is_told = true;
			free(wrong);
			broken++;
		}
	}
	ck_assert_msg(broken == 0, "%s: %u failures of %zu rules, see above", table, broken, n);
}

/* ---- long rules ---- */

void
rule_fill(struct rule *rule, const char *before, char c, size_t n, const char *after)
{
	const size_t a = strlen(before), z = strlen(after);
	char *sent = malloc(a + n + z);

	ck_assert_ptr_nonnull(sent);
	memcpy(sent, before, a);
	memset(sent + a, c, n);
	memcpy(sent + a + n, after, z);
	rule->sent = sent;
	rule->sent_len = a + n + z;
}

void
rule_fill_to(struct rule *rule, const char *before, char c, size_t whole, const char *after)
{
	rule_fill(rule, before, c, whole - strlen(before) - strlen(after), after);
}

void
rules_free(struct rule *rules, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free((char *)(uintptr_t)rules[i].sent);
}
