/*
 * it_linear.c - reads, writes and conditional writes of a few products through all workers at once,
 * with psql's own protocol beside them and workers killed under them, put together by a checker
 * (linear.h) that knows every version that was committed. And the checker itself, on histories that
 * could not have been.
 *
 * One poll() loop has all clients; a clock that counts events gives the moments. LINEAR_SEED
 * repeats a run's choices.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/stream.c tests/it/linear.c tests/it/pg.c */
#include <jansson.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon.h"
#include "harness.h"
#include "http_client.h"
#include "linear.h"
#include "pg.h"
#include "stream.h"

#define PRODUCTS_MAX 4
#define HTTP_CLIENTS 24
#define SQL_CLIENTS  3
#define CLIENTS      (HTTP_CLIENTS + SQL_CLIENTS)
#define ACTS_MAX     6000
#define KILLS        4
#define END_MS       60000

struct client {
	bool is_http;
	struct stream s;
	PGconn *pg;
	bool is_busy;
	struct act act;             /* in hand, if it is busy */
	int64_t seen[PRODUCTS_MAX]; /* versions that it knows of */
};

struct world {
	struct daemon *d;
	struct client client[CLIENTS];
	struct act act[ACTS_MAX + CLIENTS];
	size_t n_acts, n_begun;
	uint64_t clock, next_value;
	unsigned seed;
	size_t n[ACT_UNKNOWN + 1];
};

static unsigned
draw(struct world *w, unsigned n)
{
	return (unsigned)rand_r(&w->seed) % n;
}

/* ---- one act ---- */

static void
send_http(struct client *c, const struct act *act)
{
	char body[64], match[64] = "";

	if (c->s.fd < 0)
		return;
	if (act->kind == ACT_READ) {
		stream_sendf(&c->s, "GET /api/products/%u HTTP/1.1\r\nHost: localhost\r\n\r\n",
			     act->product + 1);
		return;
	}
	snprintf(body, sizeof(body), "{\"name\":\"v%llu\",\"price\":1}",
		 (unsigned long long)act->value);
	if (act->kind == ACT_CAS)
		snprintf(match, sizeof(match), "If-Match: \"%u-%lld\"\r\n", act->product + 1,
			 (long long)act->expected);
	stream_sendf(&c->s,
		     "PUT /api/products/%u HTTP/1.1\r\nHost: localhost\r\n%s"
		     "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
		     act->product + 1, match, strlen(body), body);
}

static void
send_sql(struct client *c, const struct act *act)
{
	char sql[256], match[64] = "";

	if (act->kind == ACT_CAS)
		snprintf(match, sizeof(match), " and version = %lld", (long long)act->expected);
	if (act->kind == ACT_READ)
		snprintf(sql, sizeof(sql), "select version, name from products where id = %u",
			 act->product + 1);
	else
		snprintf(
		    sql, sizeof(sql),
		    "update products set name = 'v%llu' where id = %u%s returning version, name",
		    (unsigned long long)act->value, act->product + 1, match);
	ck_assert_int_eq(PQsendQuery(c->pg, sql), 1);
	ck_assert_int_ge(PQflush(c->pg), 0);
}

static void
begin_act(struct world *w, struct client *c)
{
	unsigned dice = draw(w, 100);
	struct act *act = &c->act;

	*act = (struct act){.product = draw(w, PRODUCTS_MAX), .begin = ++w->clock};
	act->expected = c->seen[act->product];
	act->kind = dice < 40 ? ACT_READ : dice < 60 || !act->expected ? ACT_WRITE : ACT_CAS;
	if (act->kind != ACT_READ)
		act->value = ++w->next_value;
	c->is_busy = true;
	w->n_begun++;
	if (c->is_http)
		send_http(c, act);
	else
		send_sql(c, act);
}

static void
end_act(struct world *w, struct client *c, enum act_result result)
{
	struct act *act = &c->act;

	c->is_busy = false;
	act->end = ++w->clock;
	act->result = result;
	w->n[result]++;
	if (result == ACT_OK)
		c->seen[act->product] = act->version;
	else
		c->seen[act->product] = 0; /* look again before the next condition */
	/* a read that was not answered says nothing */
	if (act->kind != ACT_READ || result == ACT_OK)
		w->act[w->n_acts++] = *act;
}

static uint64_t
value_of(const char *name)
{
	ck_assert_msg(name[0] == 'v', "the name is %s", name);
	return strtoull(name + 1, NULL, 10);
}

/* ---- what comes back ---- */

static void
read_product(struct client *c, const struct stream_answer *a)
{
	json_error_t error;
	json_t *json = json_loadb(a->body, a->body_len, 0, &error);

	ck_assert_msg(json != NULL, "%.*s", (int)a->body_len, a->body);
	c->act.version = json_integer_value(json_object_get(json, "version"));
	c->act.value = value_of(json_string_value(json_object_get(json, "name")));
	json_decref(json);
}

static void
take_http(struct world *w, struct client *c)
{
	struct stream_answer a;

	if (c->is_busy && stream_take_answer(&c->s, &a)) {
		bool is_unknown =
		    a.status == 503 && memmem(a.body, a.body_len, "commit-unknown", 14);

		if (a.status == 200)
			read_product(c, &a);
		else
			ck_assert_msg(a.status == 412 || a.status == 503, "%d: %.*s", a.status,
				      (int)a.body_len, a.body);
		end_act(w, c,
			a.status == 200   ? ACT_OK
			: a.status == 412 ? ACT_MISMATCH
			: is_unknown      ? ACT_UNKNOWN
					  : ACT_REFUSED);
	}
	if (!c->s.is_over)
		return;
	/* its worker was killed: what it was doing may be done */
	if (c->is_busy)
		end_act(w, c, ACT_UNKNOWN);
	stream_close(&c->s);
	stream_open(&c->s, daemon_port(w->d));
}

static void
take_sql(struct world *w, struct client *c)
{
	ck_assert_int_eq(PQconsumeInput(c->pg), 1);
	while (c->is_busy && !PQisBusy(c->pg)) {
		PGresult *result = PQgetResult(c->pg);

		if (!result) {
			end_act(w, c, c->act.version ? ACT_OK : ACT_MISMATCH);
			break;
		}
		ck_assert_msg(PQresultStatus(result) == PGRES_TUPLES_OK, "%s",
			      PQresultErrorMessage(result));
		if (PQntuples(result) == 1) {
			c->act.version = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
			c->act.value = value_of(PQgetvalue(result, 0, 1));
		}
		PQclear(result);
	}
}

static void
turn(struct world *w)
{
	struct pollfd fds[CLIENTS];

	for (size_t i = 0; i < CLIENTS; i++) {
		struct client *c = &w->client[i];

		if (!c->is_busy && w->n_begun < ACTS_MAX && (!c->is_http || !c->s.is_over))
			begin_act(w, c);
		fds[i] = c->is_http ? stream_poll(&c->s)
				    : (struct pollfd){.fd = PQsocket(c->pg), .events = POLLIN};
	}
	ck_assert_msg(poll(fds, CLIENTS, IT_DEADLINE_MS) > 0, "nobody has anything to say");
	for (size_t i = 0; i < CLIENTS; i++) {
		struct client *c = &w->client[i];

		if (!fds[i].revents)
			continue;
		if (!c->is_http) {
			take_sql(w, c);
			continue;
		}
		stream_ready(&c->s, fds[i].revents);
		take_http(w, c);
	}
}

static bool
is_over(const struct world *w)
{
	for (size_t i = 0; i < CLIENTS; i++) {
		if (w->client[i].is_busy)
			return false;
	}
	return w->n_begun >= ACTS_MAX;
}

/* ---- the run ---- */

static size_t
read_truths(struct truth **truths)
{
	char *text = pg_ask("select id, version, substr(name, 2) from truth"), *save, *line;
	size_t n = 0;

	*truths = calloc(ACTS_MAX + PRODUCTS_MAX + 1, sizeof(**truths));
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		struct truth *t = &(*truths)[n++];
		unsigned id;
		long long version;
		unsigned long long value;

		ck_assert_uint_le(n, ACTS_MAX + PRODUCTS_MAX);
		ck_assert_int_eq(sscanf(line, "%u|%lld|%llu", &id, &version, &value), 3);
		*t = (struct truth){.product = id - 1, .version = version, .value = value};
	}
	free(text);
	return n;
}

static void
open_clients(struct world *w, const char *conninfo)
{
	for (size_t i = 0; i < CLIENTS; i++) {
		struct client *c = &w->client[i];

		c->is_http = i < HTTP_CLIENTS;
		if (c->is_http) {
			stream_open(&c->s, daemon_port(w->d));
			continue;
		}
		c->pg = PQconnectdb(conninfo);
		ck_assert_msg(PQstatus(c->pg) == CONNECTION_OK, "%s", PQerrorMessage(c->pg));
		ck_assert_int_eq(PQsetnonblocking(c->pg, 1), 0);
	}
}

static void
close_clients(struct world *w)
{
	for (size_t i = 0; i < CLIENTS; i++) {
		if (w->client[i].is_http)
			stream_close(&w->client[i].s);
		else
			PQfinish(w->client[i].pg);
	}
}

static void
kill_one(struct world *w)
{
	pid_t pids[PROCFS_MAX];
	size_t n = daemon_workers(w->d, pids);

	if (n)
		kill(pids[draw(w, (unsigned)n)], SIGKILL);
}

/* Every committed version is kept by a trigger of the test's own. */
static const char setup_sql[] =
    "create table truth(id int, version bigint, name text);"
    "create function keep_truth() returns trigger language plpgsql security definer as $$"
    " begin insert into public.truth values (new.id, new.version, new.name); return null; end $$;"
    "create trigger zz_truth after insert or update on products"
    " for each row execute function keep_truth();"
    "insert into products(name, price) select 'v0', 1 from generate_series(1, 4)";

static void
run(unsigned kills)
{
	struct world *w = calloc(1, sizeof(*w));
	const char *conninfo = pg_fresh();
	char *option = it_printf("store.database=%s", conninfo);
	const char *seed = getenv("LINEAR_SEED");
	struct truth *truths;

	w->seed = seed ? (unsigned)strtoul(seed, NULL, 10) : (unsigned)time(NULL);
	printf("LINEAR_SEED=%u\n", w->seed);
	w->d = daemon_start(option, "server.workers=2", NULL);
	free(option);
	free(daemon_log_wait(w->d, 0, "store: connected"));
	free(pg_ask(setup_sql));
	open_clients(w, conninfo);
	uint64_t end_ms = it_now_ms() + END_MS;
	unsigned killed = 0;

	while (!is_over(w)) {
		ck_assert_msg(it_now_ms() < end_ms, "%zu of %d acts are done", w->n_acts, ACTS_MAX);
		turn(w);
		if (killed < kills && w->n_begun > ACTS_MAX / (kills + 1) * (killed + 1)) {
			kill_one(w);
			killed++;
		}
	}
	close_clients(w);
	size_t n_truths = read_truths(&truths);
	const char *why = linear_check(w->act, w->n_acts, truths, n_truths);

	printf(
	    "%zu acts, %zu done, %zu on another version, %zu refused, %zu unknown; %zu versions\n",
	    w->n_acts, w->n[ACT_OK], w->n[ACT_MISMATCH], w->n[ACT_REFUSED], w->n[ACT_UNKNOWN],
	    n_truths);
	ck_assert_msg(!why, "%s", why);
	/* or it has shown nothing */
	ck_assert_uint_gt(w->n[ACT_OK], ACTS_MAX / 3);
	ck_assert_uint_gt(w->n[ACT_MISMATCH], ACTS_MAX / 20);
	daemon_stop(w->d);
	free(truths);
	free(w);
}

START_TEST(what_all_clients_see_could_have_happened_in_turn)
{
	run(0);
}
END_TEST

START_TEST(nor_does_a_killed_worker_change_that)
{
	run(KILLS);
}
END_TEST

/* ---- the checker ---- */

static const struct history {
	const char *name, *why; /* a piece of it; NULL: nothing is wrong */
	struct act act[4];
	struct truth truth[4];
} histories[] = {
#define R(b, e, ver, val)                                                            \
	{                                                                            \
		.kind = ACT_READ, .begin = b, .end = e, .version = ver, .value = val \
	}
#define W(b, e, ver, val)                                                             \
	{                                                                             \
		.kind = ACT_WRITE, .begin = b, .end = e, .version = ver, .value = val \
	}
#define CAS(b, e, exp, res, ver, val)                                                  \
	{                                                                              \
		.kind = ACT_CAS, .begin = b, .end = e, .expected = exp, .result = res, \
		.version = ver, .value = val                                           \
	}
    {"in turn", NULL, {R(1, 2, 1, 0), W(3, 4, 2, 1), R(5, 6, 2, 1)}, {{0, 1, 0}, {0, 2, 1}}},
    {"at once", NULL, {R(1, 9, 2, 1), W(2, 8, 2, 1), R(3, 7, 1, 0)}, {{0, 1, 0}, {0, 2, 1}}},
    {"a stale read", "afterwards 1", {W(1, 2, 2, 1), R(3, 4, 1, 0)}, {{0, 1, 0}, {0, 2, 1}}},
    {"reads that go back",
     "afterwards 1",
     {W(1, 9, 2, 1), R(2, 3, 2, 1), R(4, 5, 1, 0)},
     {{0, 1, 0}, {0, 2, 1}}},
    {"a read of what is not committed", "never committed", {R(1, 2, 7, 7)}, {{0, 1, 0}}},
    {"a read of the future",
     "before it was written",
     {R(1, 2, 2, 1), W(3, 4, 2, 1)},
     {{0, 1, 0}, {0, 2, 1}}},
    {"a lost write", "never committed", {W(1, 2, 2, 1)}, {{0, 1, 0}}},
    {"a write that acts twice",
     "written twice",
     {W(1, 2, 2, 1)},
     {{0, 1, 0}, {0, 2, 1}, {0, 3, 1}}},
    {"a version that is used twice",
     "there twice",
     {W(1, 2, 2, 1), W(1, 2, 2, 2)},
     {{0, 1, 0}, {0, 2, 1}, {0, 2, 2}}},
    {"an overwritten version",
     "over another version",
     {W(1, 9, 2, 1), CAS(2, 8, 1, ACT_OK, 3, 2)},
     {{0, 1, 0}, {0, 2, 1}, {0, 3, 2}}},
    {"a condition that holds and is refused",
     "while it was the one",
     {R(1, 2, 1, 0), CAS(3, 4, 1, ACT_MISMATCH, 0, 5)},
     {{0, 1, 0}}},
    {"a refusal that wrote",
     "refused, and is there",
     {CAS(3, 4, 1, ACT_MISMATCH, 0, 5)},
     {{0, 1, 0}, {0, 2, 5}}},
    {"an unknown write that happened",
     NULL,
     {CAS(3, 4, 1, ACT_UNKNOWN, 0, 5), R(9, 10, 2, 5)},
     {{0, 1, 0}, {0, 2, 5}}},
    {"an unknown write that did not", NULL, {CAS(3, 4, 1, ACT_UNKNOWN, 0, 5)}, {{0, 1, 0}}},
};

START_TEST(the_checker_knows_what_cannot_be)
{
	const struct history *h = &histories[_i];
	struct act acts[4];
	struct truth truths[4];
	size_t n_acts = 0, n_truths = 0;

	for (; n_acts < 4 && h->act[n_acts].begin; n_acts++)
		acts[n_acts] = h->act[n_acts];
	for (; n_truths < 4 && h->truth[n_truths].version; n_truths++)
		truths[n_truths] = h->truth[n_truths];
	const char *why = linear_check(acts, n_acts, truths, n_truths);

	if (h->why)
		ck_assert_msg(why && strstr(why, h->why), "%s: %s", h->name, why ? why : "passed");
	else
		ck_assert_msg(!why, "%s: %s", h->name, why);
}
END_TEST

static void
fill(Suite *suite)
{
	TCase *tc = it_case(suite, "linear");

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, the_checker_knows_what_cannot_be, 0,
			    sizeof(histories) / sizeof(histories[0]));
	tcase_add_test(tc, what_all_clients_see_could_have_happened_in_turn);
	tcase_add_test(tc, nor_does_a_killed_worker_change_that);
}

int
main(void)
{
	return it_main("linear", fill, IT_WITH_PG);
}
