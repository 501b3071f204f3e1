/*
 * posters.c - see posters.h. A product's name is "k<number>" under a key and "p<number>" without.
 */
#include "posters.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "http_client.h"
#include "stream.h"
#include "ws_client.h"

/* Numbers that a test may use up. */
#define NUMBERS_MAX 400000
#define LIMIT_MS    60000
#define POSTERS_MAX 64
/* Between two attempts at what was refused. */
#define AGAIN_MS 20

enum fate {
	FATE_NONE,         /* never sent */
	FATE_SENT,         /* not answered yet */
	FATE_REFUSED,      /* for certain not there */
	FATE_UNKNOWN,      /* may be there */
	FATE_ACKNOWLEDGED, /* is there */
};

struct poster {
	struct stream s;
	bool is_keyed, is_busy;
	uint32_t number;   /* in hand, or to be sent again */
	bool is_left;      /* `number` waits to be sent again */
	uint64_t again_ms; /* when */
};

struct posters {
	struct daemon *d;
	struct poster *poster;
	unsigned n;
	uint32_t next;
	uint8_t fate[NUMBERS_MAX];
	int64_t id[NUMBERS_MAX];
	size_t n_acknowledged, n_refused;
	bool is_ending;
};

struct posters *
posters_start(struct daemon *d, unsigned clients)
{
	struct posters *p = calloc(1, sizeof(*p));

	ck_assert_uint_le(clients, POSTERS_MAX);
	p->d = d;
	p->n = clients;
	p->poster = calloc(clients, sizeof(*p->poster));
	for (unsigned i = 0; i < clients; i++) {
		p->poster[i].is_keyed = i % 2 == 0;
		stream_open(&p->poster[i].s, daemon_port(d));
	}
	return p;
}

static void
send_post(struct posters *p, struct poster *c)
{
	char body[64], key[64] = "";

	if (!c->is_left) {
		ck_assert_uint_lt(p->next, NUMBERS_MAX);
		c->number = p->next++;
	}
	c->is_left = false;
	c->is_busy = true;
	/* what may be there already stays so until it is acknowledged */
	if (p->fate[c->number] != FATE_UNKNOWN)
		p->fate[c->number] = FATE_SENT;
	snprintf(body, sizeof(body), "{\"name\":\"%c%u\",\"price\":1}", c->is_keyed ? 'k' : 'p',
		 c->number);
	if (c->is_keyed)
		snprintf(key, sizeof(key), "Idempotency-Key: \"k%u\"\r\n", c->number);
	stream_sendf(&c->s,
		     "POST /api/products HTTP/1.1\r\nHost: localhost\r\n%s"
		     "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
		     key, strlen(body), body);
}

static void
failed(struct posters *p, struct poster *c, enum fate fate)
{
	p->n_refused++;
	c->is_busy = false;
	if (p->fate[c->number] != FATE_UNKNOWN)
		p->fate[c->number] = (uint8_t)fate;
	c->is_left = c->is_keyed;
	c->again_ms = it_now_ms() + AGAIN_MS;
}

static void
take(struct posters *p, struct poster *c)
{
	struct stream_answer a;

	if (c->is_busy && stream_take_answer(&c->s, &a)) {
		if (a.status == 201) {
			json_t *json = json_loadb(a.body, a.body_len, 0, NULL);

			ck_assert_msg(json != NULL, "%.*s", (int)a.body_len, a.body);
			p->id[c->number] = json_integer_value(json_object_get(json, "id"));
			p->fate[c->number] = FATE_ACKNOWLEDGED;
			p->n_acknowledged++;
			c->is_busy = false;
			json_decref(json);
		} else {
			ck_assert_msg(a.status == 503 || a.status == 409, "%d: %.*s", a.status,
				      (int)a.body_len, a.body);
			failed(p, c,
			       memmem(a.body, a.body_len, "commit-unknown", 14) ? FATE_UNKNOWN
										: FATE_REFUSED);
		}
	}
	if (!c->s.is_over)
		return;
	if (c->is_busy)
		failed(p, c, FATE_UNKNOWN);
	stream_close(&c->s);
	stream_open(&c->s, daemon_port(p->d));
}

static bool
is_any_busy(const struct posters *p)
{
	for (unsigned i = 0; i < p->n; i++) {
		if (p->poster[i].is_busy || (p->is_ending && p->poster[i].is_left))
			return true;
	}
	return false;
}

static void
turn(struct posters *p)
{
	struct pollfd fds[POSTERS_MAX];
	uint64_t now_ms = it_now_ms();

	for (unsigned i = 0; i < p->n; i++) {
		struct poster *c = &p->poster[i];

		if (!c->is_busy && now_ms >= c->again_ms && (c->is_left || !p->is_ending))
			send_post(p, c);
		fds[i] = stream_poll(&c->s);
	}
	ck_assert_int_ge(poll(fds, p->n, AGAIN_MS), 0);
	for (unsigned i = 0; i < p->n; i++) {
		if (!fds[i].revents)
			continue;
		stream_ready(&p->poster[i].s, fds[i].revents);
		take(p, &p->poster[i]);
	}
}

static void
go_on(struct posters *p, const size_t *count, size_t n, const char *what)
{
	uint64_t until_ms = it_now_ms() + LIMIT_MS;
	size_t end = *count + n;

	while (*count < end) {
		ck_assert_msg(it_now_ms() < until_ms, "%zu of %zu more %s", n - (end - *count), n,
			      what);
		turn(p);
	}
}

void
posters_acknowledged(struct posters *p, size_t n)
{
	go_on(p, &p->n_acknowledged, n, "acknowledged");
}

void
posters_refused(struct posters *p, size_t n)
{
	go_on(p, &p->n_refused, n, "refused");
}

void
posters_until(struct posters *p, bool (*is_it)(void *ctx), void *ctx)
{
	uint64_t until_ms = it_now_ms() + LIMIT_MS;

	while (!is_it(ctx)) {
		ck_assert_msg(it_now_ms() < until_ms, "what the test waits for does not come");
		turn(p);
	}
}

static void
compare(const struct posters *p, char *rows)
{
	uint8_t *found = calloc(p->next + 1, 1);
	char *save, *line;

	for (line = strtok_r(rows, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char kind;
		unsigned number;
		long long id;

		ck_assert_int_eq(sscanf(line, "%c%u|%lld", &kind, &number, &id), 3);
		ck_assert_uint_lt(number, p->next);
		ck_assert_msg(!found[number], "%c%u is there twice", kind, number);
		found[number] = 1;
		ck_assert_msg(p->fate[number] != FATE_REFUSED, "%c%u was refused, and is there",
			      kind, number);
		ck_assert_msg(p->fate[number] != FATE_ACKNOWLEDGED || p->id[number] == id,
			      "%c%u has the id %lld, and %lld was told", kind, number, id,
			      (long long)p->id[number]);
	}
	for (uint32_t i = 0; i < p->next; i++)
		ck_assert_msg(found[i] || p->fate[i] != FATE_ACKNOWLEDGED,
			      "number %u was acknowledged, and is not there", i);
	free(found);
}

void
posters_stop(struct posters *p, char *(*ask)(const char *sql))
{
	uint64_t until_ms = it_now_ms() + LIMIT_MS;

	p->is_ending = true;
	while (is_any_busy(p)) {
		ck_assert_msg(it_now_ms() < until_ms, "a request gets no answer");
		turn(p);
	}
	char *rows = ask("select name, id from products order by id");

	compare(p, rows);
	free(rows);
	for (unsigned i = 0; i < p->n; i++)
		stream_close(&p->poster[i].s);
	free(p->poster);
	free(p);
}

void
others_are_served(struct daemon *d)
{
	struct ws ws;
	char text[32];

	ws_open(&ws, daemon_port(d), "/chat/faults", NULL);
	for (unsigned i = 0; i < 20; i++) {
		http_expect_get(daemon_port(d), "/Ada", 200, NULL);
		http_expect_get(daemon_port(d), "/health", 200, NULL);
		snprintf(text, sizeof(text), "message %u", i);
		ws_send(&ws, text);
		ws_expect(&ws, text);
	}
	ws_drop(&ws);
}
