/*
 * it_standby.c - a primary with a streaming standby: the daemon serves from whichever may be
 * written to, and goes over to the promoted standby by itself; what was acknowledged is there, a
 * key acts once, and those who greet and chat notice nothing.
 *
 * The primary waits for its standby with each commit (synchronous_standby_names), as one does who
 * wants to lose nothing.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/ws_client.c tests/it/stream.c tests/it/posters.c tests/it/pair.c tests/it/pg.c
 * -ljansson */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon.h"
#include "harness.h"
#include "http_client.h"
#include "pair.h"
#include "pg.h"
#include "posters.h"

#define CLIENTS 8
/* Acknowledged before and after. */
#define SOME 100

/* ---- posts ---- */

/* One POST under a key of its own, repeated until it is answered 201. */
static void
post(struct daemon *d, unsigned number)
{
	char fields[120], body[80];
	struct http_answer a = {0};
	int status = 0;

	snprintf(fields, sizeof(fields),
		 "Content-Type: application/json\r\nIdempotency-Key: \"post-%u\"\r\n", number);
	snprintf(body, sizeof(body), "{\"name\":\"p%u\",\"price\":1}", number);
	for (struct it_wait wait = it_wait_begin(); status != 201;) {
		http_request(daemon_port(d), "POST", "/api/products", fields, body, &a);
		status = a.status;
		ck_assert_msg(status == 201 || status == 503 || status == 409, "%d: %s", status,
			      a.body);
		http_answer_fini(&a);
		if (status != 201)
			it_wait_again(&wait, __FILE__, __LINE__, "201");
	}
}

static bool
is_ready(struct daemon *d, int status)
{
	struct http_answer a;

	http_request(daemon_port(d), "GET", "/health/ready", NULL, NULL, &a);
	bool is_it = a.status == status;
	http_answer_fini(&a);
	return is_it;
}

static struct daemon *
start(const struct pair *pair)
{
	char *option = it_printf("store.database=host=%s/s,%s/s port=5432,5432 dbname=plaza "
				 "user=plaza target_session_attrs=read-write",
				 pair->standby, pair->primary);
	struct daemon *d = daemon_start(option, "server.workers=2", "store.queue_timeout=500ms",
					"store.statement_timeout=1s", NULL);

	free(option);
	WAIT_UNTIL(is_ready(d, 200));
	return d;
}

static struct pair the_pair;

static char *
ask_standby(const char *sql)
{
	return pair_ask(the_pair.standby, sql);
}

/* Meanwhile others are served, at least once. */
static bool
is_promoted(void *ctx)
{
	others_are_served(ctx);
	return pair_says(the_pair.standby, "select pg_is_in_recovery()", "f");
}

static bool
is_given_up(void *ctx)
{
	others_are_served(ctx);
	/* nobody may be written to */
	return is_ready(ctx, 503);
}

START_TEST(a_promoted_standby_takes_over)
{
	struct child promotion;

	pair_open(&the_pair, true);
	struct daemon *d = start(&the_pair);
	struct posters *p = posters_start(d, CLIENTS);
	const char *const promote[] = {pg_script(), "promote", the_pair.standby, NULL};

	posters_acknowledged(p, SOME);
	pair_do("kill", the_pair.primary);
	posters_refused(p, CLIENTS);
	posters_until(p, is_given_up, d);
	http_expect(daemon_port(d), "GET", "/health/live", NULL, NULL, 200, NULL);
	child_start(&promotion, promote);
	posters_until(p, is_promoted, d);
	ck_assert_int_eq(child_wait(&promotion), 0);
	posters_acknowledged(p, SOME);
	others_are_served(d);
	/* nothing acknowledged is missing, nothing is there twice under a key */
	posters_stop(p, ask_standby);
	WAIT_UNTIL(is_ready(d, 200));
	daemon_stop(d);
	pair_close(&the_pair);
}
END_TEST

START_TEST(a_standby_alone_is_not_written_to)
{
	struct pair pair;

	pair_open(&pair, true);
	char *option = it_printf("store.database=host=%s/s dbname=plaza user=plaza "
				 "target_session_attrs=read-write",
				 pair.standby);
	struct daemon *d = daemon_start(option, NULL);

	free(option);
	free(daemon_log_wait(d, 0, "store: cannot connect"));
	ck_assert(is_ready(d, 503));
	http_expect(daemon_port(d), "POST", "/api/products", "Content-Type: application/json\r\n",
		    "{\"name\":\"x\",\"price\":1}", 503, NULL);
	pair_do("promote", pair.standby);
	post(d, 1);
	daemon_stop(d);
	pair_close(&pair);
}
END_TEST

static void
fill(Suite *suite)
{
	TCase *tc = it_case(suite, "standby");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, a_promoted_standby_takes_over);
	tcase_add_test(tc, a_standby_alone_is_not_written_to);
}

int
main(void)
{
	return it_main("standby", fill, 0);
}
