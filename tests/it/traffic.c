/*
 * traffic.c - see traffic.h. No ck_assert in the threads: what goes wrong is kept and told at the
 * end.
 */
#include "traffic.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "ws_client.h"

#define MAX_THREADS  16
#define MAX_CHATTERS 16
#define WINDOW       4  /* own messages on their way */
#define ROTATE       40 /* after so many a client takes a new connection */
#define KEPT         10 /* requests on one connection */

/* What one chat connection received, in order: sender << 32 | number */
struct session {
	uint64_t *heard;
	size_t n, cap;
	bool lost_end; /* it broke: its last messages may be missing */
};

struct chatter {
	struct ws ws;
	struct session *session;
	bool open;
	uint32_t next;      /* number of the next message */
	uint32_t confirmed; /* of this connection's messages those that came back */
	uint32_t sent;      /* on this connection */
	uint32_t first;     /* number of this connection's first */
};

struct traffic {
	struct traffic_spec spec;
	atomic_bool stop;
	atomic_uint_fast64_t done[MAX_THREADS + 1]; /* per thread; the last is the chat's */
	atomic_uint_fast64_t broken;
	pthread_t thread[MAX_THREADS + 1];
	unsigned n_threads;
	pthread_t chat_thread;
	pthread_mutex_t lock;
	char error[512]; /* the first, under the lock */

	struct chatter chatter[MAX_CHATTERS];
	struct session **session;
	size_t n_sessions, cap_sessions;
	uint64_t restarts;
};

struct thread_arg {
	struct traffic *traffic;
	unsigned index;
};

static void went_wrong(struct traffic *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void
went_wrong(struct traffic *t, const char *fmt, ...)
{
	va_list ap;

	pthread_mutex_lock(&t->lock);
	if (!t->error[0]) {
		va_start(ap, fmt);
		vsnprintf(t->error, sizeof(t->error), fmt, ap);
		va_end(ap);
	}
	pthread_mutex_unlock(&t->lock);
	atomic_store(&t->stop, true);
}

/* A connection that broke: an error, unless that is allowed. */
static void
broke(struct traffic *t, const char *what, const char *why)
{
	if (t->spec.tolerate_resets)
		atomic_fetch_add(&t->broken, 1);
	else
		went_wrong(t, "%s: %s", what, why);
}

static void *
get_thread(void *arg)
{
	struct thread_arg *me = arg;
	struct traffic *t = me->traffic;
	uint64_t n = 0;

	while (!atomic_load(&t->stop)) {
		struct http_conn c;
		char request[200], body[64];
		if (!http_try_open(&c, t->spec.port)) {
			broke(t, "GET", "the connection is refused");
			continue;
		}
		for (unsigned i = 0; i < KEPT && !atomic_load(&t->stop); i++, n++) {
			struct http_answer a = {0};
			int len = snprintf(request, sizeof(request),
					   "GET /t%u-%llu HTTP/1.1\r\nHost: localhost\r\n\r\n",
					   me->index, (unsigned long long)n);
			snprintf(body, sizeof(body), "Hello, t%u-%llu", me->index,
				 (unsigned long long)n);
			const char *wrong = http_try_send(&c, request, (size_t)len)
						? http_try_read(&c, "GET", &a)
						: "cannot be sent";
			bool close = !wrong && a.close;
			if (wrong && i > 0 && c.eof && c.len == 0) {
				/* RFC 9112 9.3.1: a kept connection may end at any time; asked
				 * again */
				wrong = NULL;
				close = true;
				n--;
			} else if (wrong) {
				broke(t, "GET", wrong);
				close = true;
			} else if (a.status != 200 || strcmp(a.body, body) != 0) {
				went_wrong(t, "GET: %s: %s", a.head, a.body);
			} else {
				atomic_fetch_add(&t->done[me->index], 1);
			}
			http_answer_fini(&a);
			if (close)
				break;
		}
		http_close(&c);
	}
	free(me);
	return NULL;
}

static void *
post_thread(void *arg)
{
	struct thread_arg *me = arg;
	struct traffic *t = me->traffic;
	uint64_t n = 0;

	while (!atomic_load(&t->stop)) {
		struct http_conn c;
		struct http_answer a = {0};
		char request[300], body[80];
		int body_len =
		    snprintf(body, sizeof(body), "{\"name\":\"t%u-%llu\",\"price\":1.25}",
			     me->index, (unsigned long long)n++);
		int len = snprintf(request, sizeof(request),
				   "POST /api/products HTTP/1.1\r\nHost: localhost\r\n"
				   "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
				   body_len, body);
		if (!http_try_open(&c, t->spec.port)) {
			broke(t, "POST", "the connection is refused");
			continue;
		}
		const char *wrong = http_try_send(&c, request, (size_t)len)
					? http_try_read(&c, "POST", &a)
					: "cannot be sent";
		if (wrong)
			broke(t, "POST", wrong);
		else if (a.status != 201)
			went_wrong(t, "POST: %s: %s", a.head, a.body);
		else
			atomic_fetch_add(&t->done[me->index], 1);
		http_answer_fini(&a);
		http_close(&c);
	}
	free(me);
	return NULL;
}

static struct session *
session_new(struct traffic *t)
{
	struct session *s = calloc(1, sizeof(*s));

	if (t->n_sessions == t->cap_sessions) {
		t->cap_sessions = t->cap_sessions * 2 + 64;
		t->session = realloc(t->session, t->cap_sessions * sizeof(struct session *));
	}
	if (!s || !t->session)
		abort();
	t->session[t->n_sessions++] = s;
	return s;
}

static void
session_add(struct session *s, uint64_t message)
{
	if (s->n == s->cap) {
		s->cap = s->cap * 2 + 256;
		s->heard = realloc(s->heard, s->cap * sizeof(uint64_t));
		if (!s->heard)
			abort();
	}
	s->heard[s->n++] = message;
}

static bool
chatter_open(struct traffic *t, struct chatter *c)
{
	const char *wrong = ws_try_open(&c->ws, t->spec.port, "/chat/traffic");

	if (wrong) {
		broke(t, "chat", wrong);
		return false;
	}
	c->session = session_new(t);
	c->open = true;
	c->first = c->next;
	c->sent = c->confirmed = 0;
	return true;
}

static void
chatter_send(struct chatter *c, unsigned self)
{
	char text[64];
	int len = snprintf(text, sizeof(text), "%u %u", self, c->next);

	if (ws_try_send_frame(&c->ws, true, WS_TEXT, text, (size_t)len)) {
		c->next++;
		c->sent++;
	}
}

/* One frame; false when the connection has ended or nothing came by then. */
static bool
chatter_read(struct traffic *t, struct chatter *c, unsigned self, uint64_t until_ms, bool *closed)
{
	struct ws_frame f;
	unsigned from, number;
	const char *wrong = ws_try_read(&c->ws, &f, until_ms);

	*closed = false;
	if (wrong) {
		if (c->ws.c.eof) {
			broke(t, "chat", wrong);
			c->session->lost_end = true;
			*closed = true;
		}
		return false;
	}
	if (f.opcode == WS_CLOSE) {
		unsigned code =
		    f.len >= 2 ? (unsigned)(unsigned char)f.data[0] << 8 | (unsigned char)f.data[1]
			       : 1005;
		if (code == 1012)
			t->restarts++;
		else if (code != 1000)
			went_wrong(t, "chat: closed with %u", code);
		ws_try_send_frame(&c->ws, true, WS_CLOSE, f.data, f.len >= 2 ? 2 : 0);
		*closed = true;
	} else if (f.opcode != WS_TEXT || !f.fin || sscanf(f.data, "%u %u", &from, &number) != 2 ||
		   from >= MAX_CHATTERS) {
		went_wrong(t, "chat: an alien frame, opcode %d: %s", f.opcode, f.data);
	} else {
		session_add(c->session, (uint64_t)from << 32 | number);
		if (from == self) {
			if (number != c->first + c->confirmed)
				went_wrong(t, "chat: client %u got its message %u instead of %u",
					   self, number, c->first + c->confirmed);
			c->confirmed++;
			atomic_fetch_add(&t->done[MAX_THREADS], 1);
		}
	}
	ws_frame_fini(&f);
	return !*closed;
}

/* A new connection first, then the Close of the old one, whose last messages still count. */
static void
chatter_rotate(struct traffic *t, struct chatter *c, unsigned self)
{
	struct chatter old = *c;
	bool closed = false;
	uint64_t until = it_now_ms() + IT_DEADLINE_MS;

	if (!chatter_open(t, c)) {
		*c = old;
		return;
	}
	/* they are there before any of the new connection's are sent: all were confirmed */
	ws_try_send_frame(&old.ws, true, WS_CLOSE, "\x03\xe8", 2);
	while (!closed && it_now_ms() < until)
		chatter_read(t, &old, self, until, &closed);
	if (!closed)
		went_wrong(t, "chat: a Close is not answered");
	ws_drop(&old.ws);
}

static void *
chat_thread(void *arg)
{
	struct traffic *t = arg;

	while (!atomic_load(&t->stop)) {
		for (unsigned i = 0; i < t->spec.chatters && !atomic_load(&t->stop); i++) {
			struct chatter *c = &t->chatter[i];
			bool closed = false;
			if (!c->open && !chatter_open(t, c))
				continue;
			while (chatter_read(t, c, i, it_now_ms() + 1, &closed))
				;
			if (closed) {
				ws_drop(&c->ws);
				c->open = false;
				continue;
			}
			if (c->sent >= ROTATE && c->confirmed == c->sent)
				chatter_rotate(t, c, i);
			while (c->sent < ROTATE && c->sent - c->confirmed < WINDOW &&
			       !atomic_load(&t->stop)) {
				uint32_t before = c->sent;
				chatter_send(c, i);
				if (c->sent == before)
					break;
			}
		}
	}
	/* what is on its way still belongs to the account: until nothing has come for a while */
	uint64_t until = it_now_ms() + IT_DEADLINE_MS;
	for (unsigned i = 0; i < t->spec.chatters && !t->error[0]; i++) {
		struct chatter *c = &t->chatter[i];
		bool closed = false;
		while (c->open && c->confirmed < c->sent && !closed && it_now_ms() < until)
			chatter_read(t, c, i, until, &closed);
		if (c->open && !closed && c->confirmed < c->sent)
			went_wrong(t, "chat: client %u waits for its message %u", i,
				   c->first + c->confirmed);
	}
	for (unsigned i = 0; i < t->spec.chatters; i++) {
		struct chatter *c = &t->chatter[i];
		bool closed = false;
		if (!c->open)
			continue;
		ws_try_send_frame(&c->ws, true, WS_CLOSE, "\x03\xe8", 2);
		while (!closed && !t->error[0] && it_now_ms() < until)
			chatter_read(t, c, i, until, &closed);
		ws_drop(&c->ws);
	}
	return NULL;
}

struct traffic *
traffic_start(const struct traffic_spec *spec)
{
	struct traffic *t = calloc(1, sizeof(*t));

	ck_assert_ptr_nonnull(t);
	ck_assert_uint_le(spec->getters + spec->posters, MAX_THREADS);
	ck_assert_uint_le(spec->chatters, MAX_CHATTERS);
	t->spec = *spec;
	pthread_mutex_init(&t->lock, NULL);
	for (unsigned i = 0; i < spec->getters + spec->posters; i++) {
		struct thread_arg *me = malloc(sizeof(*me));
		ck_assert_ptr_nonnull(me);
		*me = (struct thread_arg){t, i};
		ck_assert_int_eq(pthread_create(&t->thread[i], NULL,
						i < spec->getters ? get_thread : post_thread, me),
				 0);
		t->n_threads++;
	}
	if (spec->chatters > 0)
		ck_assert_int_eq(pthread_create(&t->chat_thread, NULL, chat_thread, t), 0);
	return t;
}

void
traffic_more(struct traffic *t, uint64_t n)
{
	for (unsigned i = 0; i <= MAX_THREADS; i++) {
		if (i < MAX_THREADS ? i >= t->n_threads : t->spec.chatters == 0)
			continue;
		uint64_t want = atomic_load(&t->done[i]) + n;
		WAIT_UNTIL(atomic_load(&t->done[i]) >= want || atomic_load(&t->stop));
	}
	ck_assert_msg(!t->error[0], "%s", t->error);
}

static int
compare(const void *a, const void *b)
{
	const uint64_t *x = *(const uint64_t *const *)a, *y = *(const uint64_t *const *)b;

	return *x < *y ? -1 : *x > *y;
}

static uint64_t *
find(uint64_t **index, size_t n, uint64_t message)
{
	const uint64_t *key = &message;
	uint64_t **hit = bsearch(&key, index, n, sizeof(*index), compare);

	return hit ? *hit : NULL;
}

/*
 * Lays the sessions, in the order in which they began, over one sequence: each must fit without a
 * gap onto what is there, and may make it longer. One that shares no message with it begins anew.
 */
static void
check_chat(struct traffic *t)
{
	size_t total = 0, n = 0, n_index = 0;

	for (size_t s = 0; s < t->n_sessions; s++)
		total += t->session[s]->n;
	uint64_t *all = calloc(total + 1, sizeof(*all));
	uint64_t **index = calloc(total + 1, sizeof(*index));
	ck_assert_ptr_nonnull(all);
	ck_assert_ptr_nonnull(index);
	for (size_t s = 0; s < t->n_sessions; s++) {
		const struct session *session = t->session[s];
		if (session->n == 0)
			continue;
		uint64_t *at = find(index, n_index, session->heard[0]);
		for (size_t i = 0; i < session->n; i++) {
			uint64_t m = session->heard[i];
			if (at && at < all + n) {
				ck_assert_msg(
				    *at == m,
				    "session %zu heard %u of %u where another one heard %u of %u",
				    s, (unsigned)m, (unsigned)(m >> 32), (unsigned)*at,
				    (unsigned)(*at >> 32));
				at++;
				continue;
			}
			ck_assert_msg(!find(index, n_index, m),
				      "session %zu heard %u of %u twice or late", s, (unsigned)m,
				      (unsigned)(m >> 32));
			all[n++] = m;
			at = all + n;
		}
		/* the pointers into `all` stay; only their order changes */
		if (n > n_index) {
			for (; n_index < n; n_index++)
				index[n_index] = &all[n_index];
			qsort(index, n_index, sizeof(*index), compare);
		}
	}
	for (size_t i = 1; i < n_index; i++)
		ck_assert_msg(*index[i - 1] != *index[i], "%u of %u was published twice",
			      (unsigned)*index[i], (unsigned)(*index[i] >> 32));
	free(index);
	free(all);
}

void
traffic_stop(struct traffic *t, struct traffic_counts *counts)
{
	struct traffic_counts c = {0};

	atomic_store(&t->stop, true);
	for (unsigned i = 0; i < t->n_threads; i++)
		pthread_join(t->thread[i], NULL);
	if (t->spec.chatters > 0)
		pthread_join(t->chat_thread, NULL);
	ck_assert_msg(!t->error[0], "%s", t->error);
	for (unsigned i = 0; i < t->n_threads; i++) {
		uint64_t done = atomic_load(&t->done[i]);
		if (i < t->spec.getters)
			c.gets += done;
		else
			c.posts += done;
	}
	c.chats = atomic_load(&t->done[MAX_THREADS]);
	c.broken = atomic_load(&t->broken);
	c.sessions = t->n_sessions;
	c.restarts = t->restarts;
	check_chat(t);
	if (counts)
		*counts = c;
	for (size_t s = 0; s < t->n_sessions; s++) {
		free(t->session[s]->heard);
		free(t->session[s]);
	}
	free(t->session);
	pthread_mutex_destroy(&t->lock);
	free(t);
}
