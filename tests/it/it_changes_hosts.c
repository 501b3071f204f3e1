/*
 * it_changes_hosts.c - the change feed of more than one daemon: two on one database, and one on a
 * standby that falls behind, catches up, and takes over without the end.
 */
/* links: tests/it/changes.c tests/it/pair.c tests/it/harness.c tests/it/daemon.c
 * tests/it/procfs.c tests/it/http_client.c tests/it/pg.c -ljansson */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "changes.h"
#include "harness.h"
#include "http_client.h"
#include "pair.h"
#include "pg.h"

#define IDS        9
#define ROUNDS     150
#define STATEMENTS 200

static struct daemon *
start(const char *conninfo)
{
	char *database = it_printf("store.database=%s", conninfo);
	struct daemon *d = daemon_start(database, "chat.history_messages=100000", NULL);

	free(database);
	free(daemon_log_wait(d, 0, "the change feed begins"));
	return d;
}

static int
write_one(struct daemon *d, const char *method, const char *target)
{
	struct http_answer a;

	http_request(daemon_port(d), method, target, "Content-Type: application/json\r\n",
		     "{\"name\":\"by http\",\"price\":2}", &a);
	const int status = a.status;
	http_answer_fini(&a);
	return status;
}

/* ---- two daemons ---- */

static void
start_psql(struct child *child)
{
	const char *path = it_path("changes.sql");
	FILE *f = fopen(path, "w");
	char *db = pg_ask("select current_database()");
	const char *argv[] = {"psql", "-XAtq", "-h", pg_socket_dir(), "-U", "plaza", "-d", db,
			      "-f",   path,    NULL};

	ck_assert_ptr_nonnull(f);
	for (int i = 0; i < STATEMENTS; i++)
		fprintf(f, "begin; update products set price = price + 1 where id = %d; %s;\n",
			1 + i * 7 % IDS, i % 5 == 4 ? "rollback" : "commit");
	ck_assert_int_eq(fclose(f), 0);
	child_start(child, argv);
	free(db);
}

START_TEST(two_daemons_tell_the_same)
{
	const char *conninfo = pg_fresh();
	struct daemon *d[2] = {start(conninfo), start(conninfo)};
	struct reader reader[2];
	struct child psql;

	for (int i = 0; i < 2; i++)
		reader_open(&reader[i], d[i]);
	for (int i = 0; i < IDS; i++)
		ck_assert_int_eq(write_one(d[i % 2], "POST", "/api/products"), 201);
	start_psql(&psql);
	/* each product by both, in turn */
	for (int i = 0; i < ROUNDS; i++) {
		char target[40];

		snprintf(target, sizeof(target), "/api/products/%d", 1 + i % IDS);
		ck_assert_int_eq(write_one(d[i % 2], "PUT", target), 200);
		reader_ask(&reader[i % 2]);
	}
	ck_assert_int_eq(child_wait(&psql), 0);
	for (int i = 0; i < 2; i++)
		changes_all(&reader[i], pg_ask);
	ck_assert_uint_eq(json_array_size(reader[0].asked), IDS + ROUNDS + STATEMENTS * 4 / 5);
	/* what one has told can be asked of the other one */
	reader_ask(&reader[0]);
	ck_assert_str_eq(reader[0].next, reader[1].next);
	for (int i = 0; i < 2; i++) {
		reader_close(&reader[i]);
		daemon_stop(d[i]);
	}
}
END_TEST

/* ---- a standby ---- */

static struct pair pair;

static char *
ask_primary(const char *sql)
{
	return pair_ask(pair.primary, sql);
}

static char *
ask_standby(const char *sql)
{
	return pair_ask(pair.standby, sql);
}

static struct daemon *
start_on(const char *folder)
{
	char *conninfo = it_printf("host=%s/s dbname=plaza user=plaza", folder);
	struct daemon *d = start(conninfo);

	free(conninfo);
	return d;
}

static void
post_some(struct daemon *d)
{
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(write_one(d, "POST", "/api/products"), 201);
}

/* 200 without changes, and the same to go on from. */
static bool
has_to_wait(struct daemon *d, const char *since)
{
	struct reader reader;

	reader_open(&reader, d);
	snprintf(reader.next, sizeof(reader.next), "%s", since);
	reader_ask(&reader);
	const bool is_so = strcmp(reader.next, since) == 0 && json_array_size(reader.asked) == 0;
	reader_close(&reader);
	return is_so;
}

static bool
is_lost(struct daemon *d, const char *since)
{
	struct http_answer a;
	char *target = it_printf(CHANGES "?since=%s", since);

	http_request(daemon_port(d), "GET", target, NULL, NULL, &a);
	const bool is_so = a.status == 410 && strstr(a.body, "/problems/changes-lost");
	ck_assert_msg(is_so || a.status == 200 || a.status == 503, "%s: %s", since, a.body);
	http_answer_fini(&a);
	free(target);
	return is_so;
}

START_TEST(a_standby_tells_what_it_has)
{
	struct reader first, second;
	char lost[80];

	pair_open(&pair, false);
	struct daemon *on_primary = start_on(pair.primary);
	/* the index for searches and the tables of jobs, too: nobody makes them on a standby */
	free(daemon_log_wait(on_primary, 0, "search is ready"));
	free(daemon_log_wait(on_primary, 0, "executor info: jobs: connected"));
	struct daemon *on_standby = start_on(pair.standby);
	reader_open(&first, on_primary);
	reader_open(&second, on_standby);
	post_some(on_primary);
	changes_all(&first, ask_primary);
	changes_all(&second, ask_primary);
	ck_assert_str_eq(first.next, second.next);

	/* behind: who comes from the other one is neither refused nor told wrong things */
	pair_cut(&pair);
	post_some(on_primary);
	changes_all(&first, ask_primary);
	ck_assert(has_to_wait(on_standby, first.next));
	ck_assert(has_to_wait(on_standby, "6"));
	ck_assert(has_to_wait(on_standby, second.next));
	pair_join(&pair);
	changes_all(&second, ask_primary);
	ck_assert_str_eq(first.next, second.next);

	/* without the end */
	pair_cut(&pair);
	post_some(on_primary);
	changes_all(&first, ask_primary);
	memcpy(lost, first.next, sizeof(lost));
	ck_assert_int_eq(reader_seq(&first), 9);
	reader_close(&first);
	daemon_stop(on_primary);
	pair_do("kill", pair.primary);
	ck_assert(has_to_wait(on_standby, lost));
	pair_do("promote", pair.standby);
	WAIT_UNTIL(is_lost(on_standby, lost));
	ck_assert(is_lost(on_standby, "9"));
	ck_assert(has_to_wait(on_standby, second.next));

	/* it is the one to write to; what was lost stays lost */
	WAIT_UNTIL(write_one(on_standby, "POST", "/api/products") == 201);
	post_some(on_standby);
	changes_all(&second, ask_standby);
	ck_assert_uint_eq(json_array_size(second.asked), 10);
	ck_assert(is_lost(on_standby, lost));
	reader_close(&second);
	daemon_stop(on_standby);
	pair_close(&pair);
}
END_TEST

static void
fill(Suite *suite)
{
	TCase *tc = it_case(suite, "hosts");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, two_daemons_tell_the_same);
	tcase_add_test(tc, a_standby_tells_what_it_has);
}

int
main(void)
{
	return it_main("changes_hosts", fill, IT_WITH_PG);
}
