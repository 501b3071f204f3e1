/*
 * it_pgbouncer.c - the store where connections are scarce: behind a pooler in transaction mode that
 * gives each transaction another session, and at a server that refuses some of them.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/pg.c tests/it/pooler.c -ljansson */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "http_client.h"
#include "pg.h"
#include "pooler.h"

#define JSON     "Content-Type: application/json\r\n"
#define PRODUCTS "/api/products"
#define CLIENTS  16
#define ROUNDS   20

static const char *
fresh_name(void)
{
	const char *at = strstr(pg_fresh(), "dbname=");
	static char name[64];

	ck_assert_ptr_nonnull(at);
	ck_assert_int_eq(sscanf(at, "dbname=%63s", name), 1);
	return name;
}

/* Through the pooler; the feed past it. */
static struct daemon *
start_pooled(const char *option)
{
	const char *name = fresh_name();
	char *direct = pg_conninfo_of(name);
	char *database = it_printf("store.database=%s", pooler_start(name));
	char *listen = it_printf("store.listen=%s", direct);
	struct daemon *d = daemon_start(database, listen, "store.prepared=off", option, NULL);

	free(direct);
	free(database);
	free(listen);
	return d;
}

static void
expect_value(char *value, const char *expected)
{
	ck_assert_str_eq(value, expected);
	free(value);
}

/*
 * All clients at once, so that lanes have company: each makes a product, reads it, and asks for a
 * page, again and again.
 */
static void
work(struct daemon *d, unsigned rounds)
{
	static struct http_conn client[CLIENTS];
	char id[CLIENTS][32];
	struct http_answer a;

	for (unsigned i = 0; i < CLIENTS; i++)
		http_open(&client[i], daemon_port(d));
	for (unsigned round = 0; round < rounds; round++) {
		for (unsigned i = 0; i < CLIENTS; i++) {
			char *body =
			    it_printf("{\"name\":\"%u of %u\",\"price\":%u.5}", i, round, i);
			http_sendf(&client[i],
				   "POST " PRODUCTS " HTTP/1.1\r\nHost: localhost\r\n" JSON
				   "Content-Length: %zu\r\n\r\n%s",
				   strlen(body), body);
			free(body);
		}
		for (unsigned i = 0; i < CLIENTS; i++) {
			http_read(&client[i], "POST", &a);
			ck_assert_msg(a.status == 201, "%s%s", a.head, a.body);
			ck_assert_int_eq(
			    sscanf(http_field(&a, "Location"), PRODUCTS "/%20s", id[i]), 1);
			http_answer_fini(&a);
			http_sendf(&client[i],
				   "GET " PRODUCTS "/%s HTTP/1.1\r\nHost: localhost\r\n\r\n",
				   id[i]);
			http_sendf(&client[i],
				   "GET " PRODUCTS "?limit=2&sort=-id HTTP/1.1\r\nHost: "
				   "localhost\r\n\r\n");
		}
		for (unsigned i = 0; i < CLIENTS; i++) {
			char *own = it_printf("{\"id\":%s,\"name\":\"%u of %u\",\"price\":%u.50,",
					      id[i], i, round, i);
			http_read(&client[i], "GET", &a);
			ck_assert_msg(a.status == 200, "%s%s", a.head, a.body);
			ck_assert_msg(strncmp(a.body, own, strlen(own)) == 0, "%s, not %s", a.body,
				      own);
			http_answer_fini(&a);
			http_read(&client[i], "GET", &a);
			ck_assert_msg(a.status == 200, "%s%s", a.head, a.body);
			http_answer_fini(&a);
			free(own);
		}
	}
	for (unsigned i = 0; i < CLIENTS; i++)
		http_close(&client[i]);
}

static bool
tells_changes(struct daemon *d)
{
	struct http_answer a;

	http_request(daemon_port(d), "GET", PRODUCTS "/changes?since=0&limit=1", NULL, NULL, &a);
	ck_assert_msg(a.status == 200, "%s%s", a.head, a.body);
	const bool yes = strstr(a.body, "\"insert\"") != NULL;
	http_answer_fini(&a);
	return yes;
}

/* Each is put, claimed, run and stored by other sessions than the one before. */
static void
run_jobs(struct daemon *d)
{
	struct http_answer a;

	for (int i = 0; i < ROUNDS; i++) {
		http_request(daemon_port(d), "POST", "/api/jobs", JSON "Prefer: wait=20\r\n",
			     "{\"kind\":\"sleep\",\"args\":{\"ms\":1}}", &a);
		ck_assert_msg(a.status == 200 && strstr(a.body, "\"state\":\"done\""), "%s%s",
			      a.head, a.body);
		http_answer_fini(&a);
	}
	/* what SQL puts is heard past it */
	char *id = pg_ask("select job_enqueue('sleep', '{\"ms\":1}')");
	char *target = it_printf("/api/jobs/%s?wait=20", id);

	http_request(daemon_port(d), "GET", target, NULL, NULL, &a);
	ck_assert_msg(a.status == 200 && strstr(a.body, "\"state\":\"done\""), "%s%s", a.head,
		      a.body);
	http_answer_fini(&a);
	free(id);
	free(target);
}

START_TEST(serves_behind_a_pooler)
{
	struct daemon *d = start_pooled(NULL);
	char expected[32];

	work(d, ROUNDS);
	snprintf(expected, sizeof(expected), "%d", CLIENTS * ROUNDS);
	expect_value(pg_ask("select count(*) from products"), expected);
	/* the feed has gone past it */
	WAIT_UNTIL(tells_changes(d));
	run_jobs(d);
	/*
	 * fifteen lanes had two sessions, beside those that listen for the feed and for jobs, and
	 * nothing was left in them
	 */
	expect_value(pg_ask("select count(*) <= 4 from pg_stat_activity where datname = "
			    "current_database() and usename = 'plaza'"),
		     "t");
	for (int i = 0; i < 4; i++) {
		expect_value(pooler_ask("select current_setting('statement_timeout') || "
					"current_setting('plan_cache_mode') || "
					"coalesce(nullif(current_setting('plaza.told', true), ''), "
					"'none')"),
			     "0autonone");
		expect_value(pooler_ask("select count(*) from pg_prepared_statements"), "0");
	}
	daemon_stop(d);
}
END_TEST

START_TEST(timeouts_hold_behind_a_pooler)
{
	static const char *const psql[] = {"psql",     "-XAtq", "-h", NULL, "-U",
					   "postgres", "-d",    NULL, NULL};
	const char *argv[sizeof(psql) / sizeof(psql[0])];
	struct daemon *d = start_pooled("store.statement_timeout=400ms");
	struct child locker;
	struct http_answer a;

	work(d, 1);
	memcpy(argv, psql, sizeof(psql));
	char *name = pg_ask("select current_database()");
	argv[3] = pg_socket_dir();
	argv[7] = name;
	child_start(&locker, argv);
	child_write(&locker, "begin; lock table products; select 'locked';\n");
	char *line = child_read_line(&locker);
	ck_assert_str_eq(line, "locked");
	free(line);
	http_request(daemon_port(d), "POST", PRODUCTS, JSON, "{\"name\":\"a\",\"price\":1}", &a);
	ck_assert_int_eq(a.status, 503);
	ck_assert_ptr_nonnull(strstr(a.body, "store-timeout"));
	http_answer_fini(&a);
	child_write(&locker, "rollback;\n");
	child_close_input(&locker);
	ck_assert_int_eq(child_wait(&locker), 0);
	free(name);
	work(d, 1);
	daemon_stop(d);
}
END_TEST

static bool
serves(struct daemon *d)
{
	struct http_answer a;

	http_request(daemon_port(d), "GET", PRODUCTS "?limit=1", NULL, NULL, &a);
	const bool yes = a.status == 200;
	http_answer_fini(&a);
	return yes;
}

START_TEST(comes_back_with_its_pooler)
{
	struct daemon *d = start_pooled("server.workers=1");

	work(d, 1);
	pooler_kill();
	WAIT_UNTIL(!serves(d));
	char *name = pg_ask("select current_database()");
	pooler_start(name);
	free(name);
	WAIT_UNTIL(serves(d));
	/* each lane has its own way back */
	free(daemon_log_wait(d, 0, "store: connected to"));
	WAIT_UNTIL(daemon_log_count(d, 0, "store: connected to") == 2);
	work(d, 1);
	daemon_stop(d);
}
END_TEST

/* A server that has fewer connections left than we have lanes. */
START_TEST(serves_over_fewer_connections)
{
	char *conninfo = it_printf("store.database=%s", pg_fresh());

	/* of which the feed takes one, or none */
	free(pg_ask("do $$ begin execute format('alter database %I connection limit 2', "
		    "current_database()); end $$"));
	struct daemon *d = daemon_start(conninfo, "server.workers=1", NULL);
	free(conninfo);
	daemon_expect_error(d, "the server has no connection left");
	char *line = daemon_log_wait(d, 0, "the server has no connection left");
	ck_assert_ptr_nonnull(strstr(line, "store.connections (90)"));
	ck_assert_ptr_nonnull(strstr(line, "max_connections"));
	free(line);
	/* jobs had one or both, maybe, and leave them to products, for which there is always one */
	WAIT_UNTIL(serves(d));
	work(d, ROUNDS);
	http_expect_get(daemon_port(d), "/health/ready", 200, NULL);
	/* and when there are more, all lanes come */
	free(pg_ask("do $$ begin execute format('alter database %I connection limit -1', "
		    "current_database()); end $$"));
	free(daemon_log_wait(d, 0, "store: connected to"));
	WAIT_UNTIL(daemon_log_count(d, 0, "jobs: connected to") == 2);
	work(d, 1);
	run_jobs(d);
	daemon_stop(d);
}
END_TEST

static void
fill(Suite *suite)
{
	TCase *tc = it_case(suite, "scarce connections");

	tcase_add_test(tc, serves_behind_a_pooler);
	tcase_add_test(tc, timeouts_hold_behind_a_pooler);
	tcase_add_test(tc, comes_back_with_its_pooler);
	tcase_add_test(tc, serves_over_fewer_connections);
}

int
main(void)
{
	return it_main("pgbouncer", fill, IT_WITH_PG);
}
