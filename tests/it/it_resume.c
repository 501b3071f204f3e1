/*
 * it_resume.c - nobody loses a message or gets one twice, whatever happens to workers: 200 clients
 * in JSON mode come back with their last position while workers are killed at random and the
 * daemon is reloaded, and 10,000 publishes, each repeated until it is acknowledged, act once.
 *
 * One poll() loop has all clients. It goes by progress, not by time: the next kill comes when so
 * many publishes are acknowledged, and nothing is published further ahead of the slowest client
 * than a room's history reaches. RESUME_SEED repeats a run's choices.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/ws_client.c tests/it/stream.c tests/it/pg.c */
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon.h"
#include "harness.h"
#include "stream.h"
#include "ws_client.h"

#define CLIENTS_MAX 200
#define TALKERS     16 /* of the clients, those who publish as well */
#define IN_FLIGHT   4  /* publishes of one talker */
#define POSTERS     16 /* clients of HTTP that publish */
#define END_MS      240000
/* Attempts to reconnect, while a worker's place is empty. */
#define RETRY_MS 20

enum client_state {
	CLIENT_AWAY,     /* comes (back) at `again_ms` */
	CLIENT_KNOCKING, /* waits for the answer to its handshake */
	CLIENT_GREETED,  /* waits for the welcome */
	CLIENT_JOINING,  /* waits for the reply to its join */
	CLIENT_LIVE
};

struct client {
	struct stream s;
	enum client_state state;
	uint64_t again_ms;
	bool is_joiner; /* its URL's room is another one; it joins by a command */
	bool has_position;
	char epoch[24];
	uint64_t last; /* the newest seq that it has or knows to be missing */
	uint64_t received, missing;
	unsigned visits;
	uint32_t key[IN_FLIGHT]; /* publishes that wait for a reply */
	unsigned n_keys;
};

struct poster {
	struct stream s; /* fd -1: none */
	bool is_busy;
	uint32_t key;
	uint64_t again_ms;
};

struct plan {
	unsigned workers, clients;
	uint32_t messages;
	unsigned kills;
	uint64_t ahead; /* of the slowest client; 0: nobody waits */
	bool has_gaps;
	const char *options[8];
};

struct chaos {
	const struct plan *plan;
	struct daemon *d;
	unsigned seed;
	struct client client[CLIENTS_MAX];
	struct poster poster[POSTERS];
	uint64_t base;      /* the room's seq before all */
	uint32_t *key_at;   /* by seq - base: the message there, + 1 */
	uint64_t *acked_at; /* by key: its seq, or 0 */
	uint32_t next_key, n_acked;
	uint32_t *again; /* keys whose publish is in doubt */
	size_t n_again;
	unsigned kills, resets, duplicates, refusals;
	uint32_t kill_at; /* when so many are acknowledged */
	bool is_reloaded;
	char epoch[24];
};

static const char *
seed_text(const struct chaos *c)
{
	static char text[40];

	snprintf(text, sizeof(text), "RESUME_SEED=%u", c->seed);
	return text;
}

#define CHECK(c, ok, fmt, ...) ck_assert_msg(ok, fmt " (%s)", __VA_ARGS__, seed_text(c))

static bool
chance(unsigned one_in)
{
	return (unsigned)rand() % one_in == 0;
}

/* ---- publishes ---- */

static uint64_t
slowest(const struct chaos *c)
{
	uint64_t least = UINT64_MAX;

	for (unsigned i = 0; i < c->plan->clients; i++) {
		if (c->client[i].last < least)
			least = c->client[i].last;
	}
	return least - c->base;
}

/* The next message to publish, or one in doubt; false when there is none now. */
static bool
take_key(struct chaos *c, uint32_t *key)
{
	if (c->n_again > 0 && (c->next_key >= c->plan->messages || chance(2))) {
		/* not the newest first: another publisher's turn may come much later */
		const size_t i = (size_t)rand() % c->n_again;
		*key = c->again[i];
		c->again[i] = c->again[--c->n_again];
		return true;
	}
	if (c->next_key >= c->plan->messages ||
	    (c->plan->ahead > 0 && c->next_key >= slowest(c) + c->plan->ahead))
		return false;
	*key = c->next_key++;
	return true;
}

static void
doubt(struct chaos *c, uint32_t key)
{
	c->again[c->n_again++] = key;
}

static void
note_place(struct chaos *c, uint64_t seq, uint32_t key)
{
	const uint64_t at = seq - c->base - 1;

	CHECK(c, seq > c->base && at < c->plan->messages, "seq %llu of %u messages",
	      (unsigned long long)seq, c->plan->messages);
	CHECK(c, key < c->plan->messages, "a message %u that nobody has sent", key);
	CHECK(c, c->key_at[at] == 0 || c->key_at[at] == key + 1,
	      "message %u and message %u both with seq %llu", c->key_at[at] - 1, key,
	      (unsigned long long)seq);
	c->key_at[at] = key + 1;
}

static void
acknowledge(struct chaos *c, uint32_t key, const json_t *answer)
{
	const uint64_t seq = (uint64_t)json_integer_value(json_object_get(answer, "seq"));

	note_place(c, seq, key);
	if (json_is_true(json_object_get(answer, "dup")))
		c->duplicates++;
	if (c->acked_at[key] == 0)
		c->n_acked++;
	CHECK(c, c->acked_at[key] == 0 || c->acked_at[key] == seq,
	      "message %u acknowledged with seq %llu and with %llu", key,
	      (unsigned long long)c->acked_at[key], (unsigned long long)seq);
	c->acked_at[key] = seq;
}

static json_t *
parse(const struct chaos *c, const char *text, size_t len)
{
	json_error_t error;
	json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);

	CHECK(c, json && json_is_object(json), "%.*s: %s", (int)len, text, error.text);
	return json;
}

/* ---- by HTTP ---- */

static void
poster_end(struct chaos *c, struct poster *p, uint64_t again_ms)
{
	if (p->is_busy)
		doubt(c, p->key);
	p->is_busy = false;
	p->again_ms = again_ms;
	stream_close(&p->s);
}

static void
poster_run(struct chaos *c, struct poster *p, uint64_t now_ms)
{
	struct stream_answer a;

	while (p->is_busy && stream_take_answer(&p->s, &a)) {
		if (a.status == 200) {
			json_t *json = parse(c, a.body, a.body_len);
			acknowledge(c, p->key, json);
			json_decref(json);
			p->is_busy = false;
		} else {
			CHECK(c, a.status == 503 || a.status == 429, "POST: %d %.*s", a.status,
			      (int)a.body_len, a.body);
			c->refusals++;
			poster_end(c, p, now_ms + RETRY_MS);
			return;
		}
	}
	if (p->s.fd >= 0 && p->s.is_over) {
		c->resets += p->is_busy;
		poster_end(c, p, now_ms + (p->is_busy ? RETRY_MS : 0));
	}
	if (p->is_busy || now_ms < p->again_ms || !take_key(c, &p->key))
		return;
	if (p->s.fd < 0)
		stream_open(&p->s, daemon_port(c->d));
	p->is_busy = true;
	char body[40];
	const int len = snprintf(body, sizeof(body), "n=%u", p->key);
	stream_sendf(&p->s,
		     "POST /chat/chaos HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nIdempotency-Key: k%u\r\n"
		     "Content-Length: %d\r\n\r\n%s",
		     daemon_port(c->d), p->key, len, body);
	/* a client that does not wait for the answer knows nothing, and asks again */
	if (chance(50))
		poster_end(c, p, now_ms);
}

/* ---- by WebSocket ---- */

static void
client_end(struct chaos *c, struct client *cl, uint64_t again_ms)
{
	while (cl->n_keys > 0)
		doubt(c, cl->key[--cl->n_keys]);
	cl->state = CLIENT_AWAY;
	cl->again_ms = again_ms;
	stream_close(&cl->s);
}

static void
client_come(struct chaos *c, struct client *cl)
{
	char since[64] = "";

	if (cl->has_position && !cl->is_joiner)
		snprintf(since, sizeof(since), "&since=%s:%llu", cl->epoch,
			 (unsigned long long)cl->last);
	stream_open(&cl->s, daemon_port(c->d));
	stream_sendf(&cl->s,
		     "GET /chat/%s?mode=json%s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n"
		     "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: " WS_KEY
		     "\r\nSec-WebSocket-Version: 13\r\n\r\n",
		     cl->is_joiner ? "idle" : "chaos", since, daemon_port(c->d));
	cl->state = CLIENT_KNOCKING;
	cl->visits++;
}

static void client_send(struct client *cl, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void
client_send(struct client *cl, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	int n = vasprintf(&text, fmt, ap);
	va_end(ap);
	ck_assert_int_ge(n, 0);
	stream_send_frame(&cl->s, WS_TEXT, text, (size_t)n);
	free(text);
}

static void
client_join(struct client *cl)
{
	char since[80] = "";

	if (cl->has_position)
		snprintf(since, sizeof(since), ",\"since\":{\"epoch\":\"%s\",\"seq\":%llu}",
			 cl->epoch, (unsigned long long)cl->last);
	client_send(cl, "{\"id\":4000000000,\"t\":\"join\",\"room\":\"chaos\"%s}", since);
	cl->state = CLIENT_JOINING;
}

/* The welcome of one that joins by its URL, the reply of one that joins by command. */
static void
client_joined(struct chaos *c, struct client *cl, const json_t *reply)
{
	const char *epoch = json_string_value(json_object_get(reply, "epoch"));
	const uint64_t seq = (uint64_t)json_integer_value(json_object_get(reply, "seq"));

	ck_assert_str_eq(json_string_value(json_object_get(reply, "room")), "chaos");
	CHECK(c, epoch && strlen(epoch) >= 8 && strlen(epoch) <= 16, "epoch %s",
	      epoch ? epoch : "none");
	if (!c->epoch[0])
		snprintf(c->epoch, sizeof(c->epoch), "%s", epoch);
	CHECK(c, strcmp(c->epoch, epoch) == 0, "epoch %s and then %s", c->epoch, epoch);
	if (!cl->has_position) {
		cl->last = seq;
		cl->has_position = true;
	} else {
		CHECK(c, seq >= cl->last, "the room is at %llu, before %llu that was given out",
		      (unsigned long long)seq, (unsigned long long)cl->last);
	}
	if (cl->is_joiner && cl->visits > 1 && !c->plan->has_gaps) {
		CHECK(c, json_is_true(json_object_get(reply, "recovered")),
		      "not recovered from %llu, the room begins at %lld",
		      (unsigned long long)cl->last,
		      json_integer_value(json_object_get(reply, "first")));
		ck_assert_uint_eq((uint64_t)json_integer_value(json_object_get(reply, "replay")),
				  seq - cl->last);
	}
	snprintf(cl->epoch, sizeof(cl->epoch), "%s", epoch);
	cl->state = CLIENT_LIVE;
}

static void
client_message(struct chaos *c, struct client *cl, uint64_t seq, uint32_t key)
{
	CHECK(c, cl->state == CLIENT_LIVE, "message %u before it has joined", key);
	CHECK(c, seq == cl->last + 1, "client %d: seq %llu follows %llu, on visit %u",
	      (int)(cl - c->client), (unsigned long long)seq, (unsigned long long)cl->last,
	      cl->visits);
	note_place(c, seq, key);
	cl->last = seq;
	cl->received++;
}

static void
client_gap(struct chaos *c, struct client *cl, const json_t *gap)
{
	const uint64_t from = (uint64_t)json_integer_value(json_object_get(gap, "from"));
	const uint64_t to = (uint64_t)json_integer_value(json_object_get(gap, "to"));
	const char *why = json_string_value(json_object_get(gap, "why"));

	CHECK(c, c->plan->has_gaps, "a gap from %llu to %llu: %s", (unsigned long long)from,
	      (unsigned long long)to, why ? why : "");
	CHECK(c, why && (strcmp(why, "trimmed") == 0 || strcmp(why, "slow") == 0),
	      "a gap because of %s", why ? why : "nothing");
	CHECK(c, from == cl->last + 1 && to >= from, "a gap from %llu to %llu behind %llu",
	      (unsigned long long)from, (unsigned long long)to, (unsigned long long)cl->last);
	cl->missing += to - from + 1;
	cl->last = to;
}

static void
client_reply(struct chaos *c, struct client *cl, const json_t *reply, bool is_error)
{
	const uint64_t id = (uint64_t)json_integer_value(json_object_get(reply, "id"));

	if (id == 4000000000) {
		CHECK(c, !is_error, "join: %s", json_string_value(json_object_get(reply, "code")));
		client_joined(c, cl, reply);
		return;
	}
	for (unsigned i = 0; i < cl->n_keys; i++) {
		if (cl->key[i] + 1 != id)
			continue;
		cl->key[i] = cl->key[--cl->n_keys];
		if (!is_error) {
			acknowledge(c, (uint32_t)(id - 1), reply);
			return;
		}
		CHECK(c, json_is_true(json_object_get(reply, "temp")), "pub: %s",
		      json_string_value(json_object_get(reply, "code")));
		c->refusals++;
		doubt(c, (uint32_t)(id - 1));
		return;
	}
	CHECK(c, false, "a reply %llu to nothing", (unsigned long long)id);
}

/* The digits there; strtoull is slow under sanitizers. */
static uint64_t
number_at(const char *text, const char *end)
{
	uint64_t number = 0;

	for (; text < end && *text >= '0' && *text <= '9'; text++)
		number = number * 10 + (uint64_t)(*text - '0');
	return number;
}

static uint32_t
key_of(const struct chaos *c, const char *data, size_t len)
{
	const char *end = data + len;

	while (data < end && (*data < '0' || *data > '9'))
		data++;
	CHECK(c, data < end, "data without a number: %.*s", (int)len, end - len);
	return (uint32_t)number_at(data, end);
}

static void
client_text(struct chaos *c, struct client *cl, const char *text, size_t len)
{
	static const char msg[] = "{\"t\":\"msg\",\"room\":\"chaos\",\"seq\":";
	const char *data;

	/* two million of them: most are not parsed but looked at, where that will do */
	if (len > sizeof(msg) && memcmp(text, msg, sizeof(msg) - 1) == 0 &&
	    (data = memmem(text, len, "\"data\":", 7)) && !chance(64)) {
		client_message(c, cl, number_at(text + sizeof(msg) - 1, text + len),
			       key_of(c, data, len - (size_t)(data - text)));
		return;
	}
	json_t *event = parse(c, text, len);
	const char *t = json_string_value(json_object_get(event, "t"));
	CHECK(c, t, "no t: %.*s", (int)len, text);
	if (strcmp(t, "msg") == 0) {
		const json_t *value = json_object_get(event, "data");
		const char *cid = json_string_value(json_object_get(event, "cid"));
		const uint32_t key =
		    json_is_string(value)
			? key_of(c, json_string_value(value), json_string_length(value))
			: (uint32_t)json_integer_value(json_object_get(value, "n"));
		CHECK(c, cid && cid[0] == 'k' && strtoul(cid + 1, NULL, 10) == key,
		      "message %u with the cid %s", key, cid ? cid : "none");
		client_message(c, cl, (uint64_t)json_integer_value(json_object_get(event, "seq")),
			       key);
	} else if (strcmp(t, "gap") == 0) {
		client_gap(c, cl, event);
	} else if (strcmp(t, "ok") == 0 || strcmp(t, "err") == 0) {
		client_reply(c, cl, event, t[0] == 'e');
	} else if (strcmp(t, "welcome") == 0) {
		CHECK(c, cl->state == CLIENT_GREETED, "a welcome in state %d", (int)cl->state);
		if (cl->is_joiner)
			client_join(cl);
		else
			client_joined(c, cl, event);
	} else {
		CHECK(c, strcmp(t, "notice") == 0, "%.*s", (int)len, text);
	}
	json_decref(event);
}

static void
client_publish(struct chaos *c, struct client *cl)
{
	uint32_t key;

	while (cl->n_keys < IN_FLIGHT && take_key(c, &key)) {
		cl->key[cl->n_keys++] = key;
		client_send(cl,
			    key % 3 ? "{\"id\":%u,\"t\":\"pub\",\"room\":\"chaos\",\"data\":{\"n\":"
				      "%u},\"cid\":\"k%u\"}"
				    : "{\"id\":%u,\"t\":\"pub\",\"room\":\"chaos\",\"data\":\"n="
				      "%u\",\"cid\":\"k%u\"}",
			    key + 1, key, key);
	}
}

static void
client_run(struct chaos *c, struct client *cl, uint64_t now_ms)
{
	struct stream_answer a;
	struct stream_frame f;

	if (cl->state == CLIENT_AWAY) {
		if (now_ms >= cl->again_ms)
			client_come(c, cl);
		return;
	}
	if (cl->state == CLIENT_KNOCKING && stream_take_answer(&cl->s, &a)) {
		if (a.status != 101) {
			CHECK(c, a.status == 503, "handshake: %d %.*s", a.status, (int)a.body_len,
			      a.body);
			c->refusals++;
			client_end(c, cl, now_ms + RETRY_MS);
			return;
		}
		cl->state = CLIENT_GREETED;
	}
	while (cl->state >= CLIENT_GREETED && stream_take_frame(&cl->s, &f)) {
		switch (f.opcode) {
		case WS_TEXT: client_text(c, cl, f.data, f.len); break;
		case WS_PING: stream_send_frame(&cl->s, WS_PONG, f.data, f.len); break;
		case WS_CLOSE:
			CHECK(c, f.len >= 2 && memcmp(f.data, "\x03\xf4", 2) == 0,
			      "client %d: a Close %u", (int)(cl - c->client),
			      f.len >= 2 ? (unsigned)(unsigned char)f.data[0] << 8 |
					       (unsigned char)f.data[1]
					 : 1005);
			client_end(c, cl, now_ms);
			return;
		default: CHECK(c, false, "a frame of opcode %u", f.opcode);
		}
	}
	if (cl->s.is_over) {
		c->resets++;
		client_end(c, cl, now_ms + (cl->state == CLIENT_KNOCKING ? RETRY_MS : 0));
		return;
	}
	if (cl->state != CLIENT_LIVE || c->next_key == 0)
		return;
	/* some come and go of their own will, with whatever is under way */
	if (c->n_acked < c->plan->messages && chance(3000))
		client_end(c, cl, now_ms + (chance(2) ? (uint64_t)rand() % 200 : 0));
	else if (cl - c->client < TALKERS)
		client_publish(c, cl);
}

/* ---- what happens to the daemon ---- */

/* Somewhere in the slice of all messages that is for the next one. */
static uint32_t
next_kill(const struct chaos *c)
{
	const uint32_t slice = c->plan->messages / (c->plan->kills + 1);

	return c->kills * slice + (uint32_t)rand() % slice + 1;
}

static void
strike(struct chaos *c)
{
	pid_t workers[PROCFS_MAX];
	const size_t n = daemon_workers(c->d, workers);

	if (!c->is_reloaded && c->n_acked >= c->plan->messages / 2) {
		c->is_reloaded = true;
		ck_assert_int_eq(kill(daemon_pid(c->d), SIGHUP), 0);
	}
	if (c->kills >= c->plan->kills || c->n_acked < c->kill_at || n < 2)
		return;
	c->kills++;
	c->kill_at = next_kill(c);
	/* once all of them together: then nobody is left who knows anything */
	const bool all = c->kills == c->plan->kills / 3;
	for (size_t i = 0; i < n && all; i++)
		kill(workers[i], SIGKILL);
	if (!all)
		kill(workers[(size_t)rand() % n], SIGKILL);
}

/* ---- the loop ---- */

static void
turn(struct chaos *c, bool publishing)
{
	struct pollfd p[CLIENTS_MAX + POSTERS];
	const unsigned n_posters = publishing ? POSTERS : 0;
	const unsigned n = c->plan->clients + n_posters;

	for (unsigned i = 0; i < c->plan->clients; i++)
		p[i] = stream_poll(&c->client[i].s);
	for (unsigned i = 0; i < n_posters; i++)
		p[c->plan->clients + i] = stream_poll(&c->poster[i].s);
	ck_assert_int_ge(poll(p, n, 5), 0);
	const uint64_t now_ms = it_now_ms();
	for (unsigned i = 0; i < c->plan->clients; i++) {
		stream_ready(&c->client[i].s, p[i].revents);
		client_run(c, &c->client[i], now_ms);
	}
	for (unsigned i = 0; i < n_posters; i++) {
		stream_ready(&c->poster[i].s, p[c->plan->clients + i].revents);
		poster_run(c, &c->poster[i], now_ms);
	}
}

static bool
all_live(const struct chaos *c)
{
	for (unsigned i = 0; i < c->plan->clients; i++) {
		if (c->client[i].state != CLIENT_LIVE)
			return false;
	}
	return true;
}

static void
check_time(const struct chaos *c, uint64_t until_ms)
{
	unsigned live = 0;

	for (unsigned i = 0; i < c->plan->clients; i++)
		live += c->client[i].state == CLIENT_LIVE;
	CHECK(c, it_now_ms() < until_ms,
	      "no end: %u of %u acknowledged, %zu in doubt, %u clients live, the slowest has %llu",
	      c->n_acked, c->plan->messages, c->n_again, live, (unsigned long long)slowest(c));
}

/* A publish behind all others: whoever has it has all that there will be. */
static uint64_t
publish_last(const struct chaos *c)
{
	struct http_answer a;

	http_request(daemon_port(c->d), "POST", "/chat/chaos", "Idempotency-Key: last\r\n", "last",
		     &a);
	CHECK(c, a.status == 200, "%s%s", a.head, a.body);
	json_t *json = parse(c, a.body, a.body_len);
	const uint64_t seq = (uint64_t)json_integer_value(json_object_get(json, "seq"));
	json_decref(json);
	http_answer_fini(&a);
	return seq;
}

static void
run(const struct plan *plan)
{
	struct chaos *c = calloc(1, sizeof(*c));
	const char *seed = getenv("RESUME_SEED");
	const uint64_t until_ms = it_now_ms() + END_MS;
	struct daemon_spec spec = {.conf = "", .options = plan->options};

	ck_assert_ptr_nonnull(c);
	c->plan = plan;
	c->seed = seed ? (unsigned)strtoul(seed, NULL, 10)
		       : (unsigned)time(NULL) * 31 + (unsigned)getpid();
	srand(c->seed);
	c->key_at = calloc(plan->messages, sizeof(*c->key_at));
	c->acked_at = calloc(plan->messages, sizeof(*c->acked_at));
	c->again = calloc(plan->messages, sizeof(*c->again));
	ck_assert(c->key_at && c->acked_at && c->again);
	c->kill_at = next_kill(c);
	c->d = daemon_start_spec(&spec);
	for (unsigned i = 0; i < plan->clients; i++) {
		c->client[i].s.fd = -1;
		c->client[i].is_joiner = i % 2;
	}
	for (unsigned i = 0; i < POSTERS; i++)
		c->poster[i].s.fd = -1;

	/* all are in the room before the first message */
	while (!all_live(c)) {
		turn(c, false);
		check_time(c, until_ms);
	}
	c->base = c->client[0].last;
	for (unsigned i = 0; i < plan->clients; i++)
		CHECK(c, c->client[i].last == c->base, "client %u begins at %llu, not at %llu", i,
		      (unsigned long long)c->client[i].last, (unsigned long long)c->base);
	while (c->n_acked < plan->messages || slowest(c) < plan->messages || !all_live(c) ||
	       c->kills < plan->kills) {
		turn(c, true);
		strike(c);
		check_time(c, until_ms);
	}
	/* one seq for each, and nothing above: no publish has acted twice */
	const uint64_t last = publish_last(c);
	CHECK(c, last == c->base + plan->messages + 1, "%u messages, and the next has seq %llu",
	      plan->messages, (unsigned long long)last);
	uint64_t missing = 0;
	unsigned visits = 0;
	for (unsigned i = 0; i < plan->clients; i++) {
		const struct client *cl = &c->client[i];
		ck_assert_uint_eq(cl->received + cl->missing, plan->messages);
		missing += cl->missing;
		visits += cl->visits;
	}
	for (uint32_t i = 0; i < plan->messages; i++)
		CHECK(c, c->key_at[c->acked_at[i] - c->base - 1] == i + 1,
		      "message %u is not where its acknowledgement says", i);
	ck_assert_uint_eq(c->kills, plan->kills);
	ck_assert(c->is_reloaded);
	ck_assert_uint_gt(c->duplicates, 0);
	ck_assert(plan->has_gaps == (missing > 0));
	printf("%s: %u visits, %u connections broke, %u duplicates, %u refusals, %llu missing\n",
	       seed_text(c), visits, c->resets, c->duplicates, c->refusals,
	       (unsigned long long)missing);
	for (unsigned i = 0; i < plan->clients; i++)
		stream_close(&c->client[i].s);
	for (unsigned i = 0; i < POSTERS; i++)
		stream_close(&c->poster[i].s);
	daemon_stop(c->d);
	free(c->key_at);
	free(c->acked_at);
	free(c->again);
	free(c);
}

START_TEST(each_gets_all_once_and_in_order)
{
	static const struct plan plan = {
	    .clients = 200,
	    .messages = 10000,
	    .kills = 9,
	    .ahead = 400,
	    .options = {"server.workers=3", NULL},
	};

	run(&plan);
}
END_TEST

/* Whoever was away for longer than the history reaches is told which messages it will not get. */
START_TEST(gaps_say_what_is_missing)
{
	static const struct plan plan = {
	    .clients = 50,
	    .messages = 5000,
	    .kills = 6,
	    .has_gaps = true,
	    .options = {"server.workers=2", "chat.history_messages=20", NULL},
	};

	run(&plan);
}
END_TEST

static void
fill(Suite *suite)
{
	TCase *tc = it_case(suite, "resume");

	tcase_add_test(tc, each_gets_all_once_and_in_order);
	tcase_add_test(tc, gaps_say_what_is_missing);
}

int
main(void)
{
	return it_main("resume", fill, 0);
}
