/*
 * it_products_keys.c - Idempotency-Key: writes that are sent often, and done once.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/pg.c tests/it/products.c -ljansson */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "http_client.h"
#include "pg.h"
#include "products.h"

/* at once, and one behind the other */
#define CLIENTS 24
#define EACH    30

#define N(table) (sizeof(table) / sizeof((table)[0]))

static const struct keyed {
	const char *method, *target, *fields, *body;
	int status;
} keyed[] = {
    {"POST", PRODUCTS, JSON, "{\"name\":\"n\\\"\\n\",\"price\":1.5}", 201},
    {"POST", PRODUCTS, JSON, "[{\"name\":\"b1\",\"price\":1},{},{\"name\":\"b2\",\"price\":2}]",
     200},
    {"POST", PRODUCTS, JSON "Prefer: atomic\r\n", "[{\"name\":\"b3\",\"price\":1}]", 200},
    {"POST", PRODUCTS, CSV, "name,price\nb4,1\nb5,x\n", 200},
    {"PUT", PRODUCTS "/1", JSON, "{\"name\":\"put\",\"price\":2}", 200},
    {"PATCH", PRODUCTS "/1", PATCH, "{\"price\":3}", 200},
    {"DELETE", PRODUCTS "/2", "", NULL, 204},
};

START_TEST(a_key_is_answered_the_same)
{
	struct daemon *d =
	    products_start_with(_i ? "store.prepared=off" : "store.prepared=on", NULL);
	const uint16_t port = daemon_port(d);
	struct http_answer first, again;

	free(pg_ask("insert into products(name, price) values ('a', 1), ('b', 2)"));
	for (size_t i = 0; i < N(keyed); i++) {
		const struct keyed *k = &keyed[i];
		char fields[200];
		snprintf(fields, sizeof(fields), "%sIdempotency-Key: \"k%zu\"\r\n", k->fields, i);
		http_request(port, k->method, k->target, fields, k->body, &first);
		ck_assert_msg(first.status == k->status, "%s: %s", k->method, first.body);
		ck_assert_ptr_null(http_field(&first, "Idempotent-Replayed"));
		const long rows = products_ask("select coalesce(sum(version), 0) from products");
		/* bare is the same key */
		snprintf(fields, sizeof(fields), "Idempotency-Key: k%zu\r\n%s", i, k->fields);
		for (int r = 0; r < 3; r++) {
			http_request(port, k->method, k->target, fields, k->body, &again);
			ck_assert_int_eq(again.status, first.status);
			ck_assert_str_eq(again.body, first.body);
			ck_assert_str_eq(http_field(&again, "Idempotent-Replayed"), "true");
			static const char *const same[] = {"ETag", "Location", "Content-Type",
							   "Preference-Applied"};
			for (size_t s = 0; s < N(same); s++) {
				const char *value = http_field(&first, same[s]);
				char *kept = value ? it_printf("%s", value) : NULL;
				value = http_field(&again, same[s]);
				ck_assert_msg((value == NULL) == (kept == NULL), "%s", same[s]);
				if (kept)
					ck_assert_str_eq(value, kept);
				free(kept);
			}
			http_answer_fini(&again);
		}
		/* and nothing was written again */
		ck_assert_int_eq(products_ask("select coalesce(sum(version), 0) from products"),
				 rows);
		/* for anything else it is taken */
		http_request(port, "PATCH", PRODUCTS "/1", PATCH "Idempotency-Key: k0\r\n",
			     "{\"price\":9}", &again);
		problem_expect(&again, 422, "idempotency-key-reused", NULL, k->method);
		http_answer_fini(&again);
		http_answer_fini(&first);
	}
	ck_assert_int_eq(products_ask("select count(*) from product_idempotency"), (long)N(keyed));
	daemon_stop(d);
}
END_TEST

/* Byte for byte what an answer without a key has, of every kind of column, and for as long as the
 * key is kept, whatever becomes of the table. */
START_TEST(a_key_is_answered_in_the_same_bytes)
{
	struct daemon *d = products_start_on(
	    "create domain small as smallint; create domain smaller as small check (value < 9); "
	    "create type mood as enum ('glad', 'so, so'); "
	    "create table products(flat bool default true, extra jsonb default '{\"a\": [1]}', "
	    "price decimal(10,2) not null, at timestamptz default '2026-02-03 04:05:06.7+08', "
	    "f float8 default 'NaN', r real default 1e30, inf float8 default '-infinity', "
	    "words text[] default '{a,\"b, \\\"c\",null}', empty text default '', none text, "
	    "id serial primary key, \"odd \"\"(na,me\\\" text default E'q\"b\\\\ (x),\\n', "
	    "raw json default '{\"a\" :\n1}', d smaller default 3, bytes bytea default "
	    "'\\x00ff', day date default '2026-02-03', span interval default '1 day 02:03', "
	    "feel mood default 'so, so', who inet default '::1', point point default '(1,2)', "
	    "gone int, name char(6) not null); alter table products drop gone");
	const uint16_t port = daemon_port(d);
	static const struct keyed ways_of[] = {
	    {"POST", PRODUCTS, JSON, "{\"name\":\"a\",\"price\":1}", 201},
	    {"PUT", PRODUCTS "/1", JSON, "{\"name\":\"b \",\"price\":2}", 200},
	    {"PATCH", PRODUCTS "/1", PATCH, "{\"price\":3}", 200},
	};
	char *bodies[N(ways_of)], *tags[N(ways_of)], fields[200];
	struct http_answer a, got;

	for (size_t r = 0; r < 2; r++) {
		for (size_t i = 0; i < N(ways_of); i++) {
			const struct keyed *k = &ways_of[i];
			snprintf(fields, sizeof(fields), "%sIdempotency-Key: k%zu\r\n", k->fields,
				 i);
			http_request(port, k->method, k->target, fields, k->body, &a);
			ck_assert_msg(a.status == k->status, "%s", a.body);
			if (r == 0) {
				bodies[i] = it_printf("%s", a.body);
				tags[i] = it_printf("%s", http_field(&a, "ETag"));
				http_request(port, "GET", PRODUCTS "/1", NULL, NULL, &got);
				ck_assert_str_eq(a.body, got.body);
				ck_assert_str_eq(tags[i], http_field(&got, "ETag"));
				http_answer_fini(&got);
			} else {
				ck_assert_str_eq(http_field(&a, "Idempotent-Replayed"), "true");
				ck_assert_str_eq(a.body, bodies[i]);
				ck_assert_str_eq(http_field(&a, "ETag"), tags[i]);
				free(bodies[i]);
				free(tags[i]);
			}
			if (i == 0)
				ck_assert_str_eq(http_field(&a, "Location"), "/api/products/1");
			http_answer_fini(&a);
		}
		if (r)
			continue;
		free(pg_ask("alter table products drop words, alter f type text, add later int "
			    "default 7; alter table products rename feel to mood"));
		http_expect(port, "PATCH", PRODUCTS "/1", PATCH, "{}", 200, NULL);
	}
	/* and what is new is there in new ones */
	http_request(port, "PATCH", PRODUCTS "/1", PATCH "Idempotency-Key: new\r\n", "{}", &a);
	ck_assert_msg(strstr(a.body, "\"later\":7}") != NULL, "%s", a.body);
	http_answer_fini(&a);
	daemon_stop(d);
}
END_TEST

/* By a Plaza that knew no forms: it cannot be told any more, and is not done again. */
START_TEST(an_answer_of_before_is_not_done_again)
{
	struct daemon *d = products_start();

	http_expect(daemon_port(d), "POST", PRODUCTS, JSON "Idempotency-Key: k\r\n",
		    "{\"name\":\"a\",\"price\":1}", 201, NULL);
	free(pg_ask("update product_idempotency set form = null"));
	problem_request(d, "POST", PRODUCTS, JSON "Idempotency-Key: k\r\n",
			"{\"name\":\"a\",\"price\":1}", 422, "idempotency-key-reused", NULL);
	free(pg_ask("update product_idempotency set form = '(a', answer = 'b'"));
	problem_request(d, "POST", PRODUCTS, JSON "Idempotency-Key: k\r\n",
			"{\"name\":\"a\",\"price\":1}", 500, "store-error", NULL);
	products_expect("1 a 1.00");
	daemon_expect_error(d, "has an answer that cannot be read");
	daemon_stop(d);
}
END_TEST

/*
 * The server falls silent while it commits; the daemon hangs up and asks again, waits for its own
 * first attempt, and finds its key used when that is through.
 */
START_TEST(a_key_that_its_own_first_attempt_has)
{
	struct daemon *d = products_start_with("store.statement_timeout=2s", "server.workers=1");
	struct child holder;
	struct http_conn c;
	struct http_answer a;

	http_expect(daemon_port(d), "POST", PRODUCTS, JSON, "{\"name\":\"a\",\"price\":1}", 201,
		    NULL);
	free(pg_ask("create function public.linger() returns trigger language plpgsql set "
		    "lock_timeout = 0 as $$ begin perform pg_advisory_xact_lock(7); return null; "
		    "end $$; create constraint trigger linger after insert on "
		    "public.product_idempotency deferrable initially deferred for each row execute "
		    "function public.linger()"));
	char *dbname = pg_ask("select current_database()");
	const char *argv[] = {"psql", "-XAtq", "-h", pg_socket_dir(), "-U", "postgres",
			      "-d",   dbname,  NULL};
	child_start(&holder, argv);
	child_write(&holder, "select pg_advisory_lock(7);\nselect 'held';\n");
	free(child_read_line(&holder));
	char *line = child_read_line(&holder);
	ck_assert_str_eq(line, "held");
	free(line);
	http_open(&c, daemon_port(d));
	http_send_text(&c, "POST " PRODUCTS " HTTP/1.1\r\nHost: localhost\r\n" JSON
			   "Idempotency-Key: k\r\nContent-Length: 22\r\n\r\n"
			   "{\"name\":\"b\",\"price\":1}");
	WAIT_UNTIL(
	    products_ask("select count(*) from pg_stat_activity where wait_event = 'advisory' "
			 "and datname = current_database()") == 1);
	/* at once, as a lock is not waited for for long */
	child_write(&holder,
		    "do $$ begin while not exists (select from pg_locks where not granted "
		    "and locktype = 'transactionid') loop perform pg_sleep(0.01); end loop; "
		    "end $$; select pg_advisory_unlock(7);\n");
	child_close_input(&holder);
	http_read(&c, "POST", &a);
	ck_assert_msg(a.status == 201, "%s", a.body);
	ck_assert_str_eq(http_field(&a, "Idempotent-Replayed"), "true");
	ck_assert_str_eq(a.body, "{\"id\":2,\"name\":\"b\",\"price\":1.00,\"version\":2}");
	http_answer_fini(&a);
	http_close(&c);
	ck_assert_int_eq(child_wait(&holder), 0);
	products_expect("1 a 1.00;2 b 1.00");
	free(dbname);
	daemon_stop(d);
}
END_TEST

START_TEST(only_what_was_done_is_kept)
{
	static const struct keyed misses[] = {
	    {"POST", PRODUCTS, JSON, "{}", 422},
	    {"POST", PRODUCTS, JSON, "{\"name\":\"rude\",\"price\":1}", 422},
	    {"PUT", PRODUCTS "/99", JSON, "{\"name\":\"a\",\"price\":1}", 404},
	    {"PATCH", PRODUCTS "/1", PATCH "If-Match: \"x\"\r\n", "{\"price\":3}", 412},
	    {"DELETE", PRODUCTS "/99", "", NULL, 404},
	};
	struct daemon *d = products_start_on(
	    "create table products(id serial primary key, name text not null, price "
	    "decimal(10,2) not null, constraint polite check (name !~ '^rude'))");
	struct http_answer a;

	http_expect(daemon_port(d), "POST", PRODUCTS, JSON, "{\"name\":\"a\",\"price\":1}", 201,
		    NULL);
	for (size_t i = 0; i < N(misses); i++) {
		char fields[200];
		snprintf(fields, sizeof(fields), "%sIdempotency-Key: k\r\n", misses[i].fields);
		http_request(daemon_port(d), misses[i].method, misses[i].target, fields,
			     misses[i].body, &a);
		ck_assert_msg(a.status == misses[i].status, "%s", a.body);
		http_answer_fini(&a);
	}
	ck_assert_int_eq(products_ask("select count(*) from product_idempotency"), 0);
	/* the key is still free */
	http_expect(daemon_port(d), "POST", PRODUCTS, JSON "Idempotency-Key: k\r\n",
		    "{\"name\":\"b\",\"price\":1}", 201, NULL);
	static const char *const bad[] = {"", "\"\"", "a b", "\"a", "\xc3\xa9"};
	for (size_t i = 0; i < N(bad); i++) {
		char fields[100];
		snprintf(fields, sizeof(fields), JSON "Idempotency-Key: %s\r\n", bad[i]);
		problem_request(d, "POST", PRODUCTS, fields, "{\"name\":\"b\",\"price\":1}", 400,
				"bad-key", NULL);
	}
	problem_request(d, "DELETE", PRODUCTS "/1", "Idempotency-Key: a\r\nIdempotency-Key: a\r\n",
			NULL, 400, "bad-key", NULL);
	/* SQL in a key is a key */
	http_expect(daemon_port(d), "POST", PRODUCTS,
		    JSON "Idempotency-Key: ');drop/**/table/**/products;--\r\n",
		    "{\"name\":\"c\",\"price\":1}", 201, NULL);
	ck_assert_int_eq(products_ask("select count(*) from products"), 3);
	daemon_stop(d);
}
END_TEST

START_TEST(a_key_that_many_send_at_once_is_done_once)
{
	struct daemon *d = products_start_with("server.workers=3", NULL);
	struct http_conn c[CLIENTS];
	struct http_answer a;

	for (int i = 0; i < CLIENTS; i++)
		http_open(&c[i], daemon_port(d));
	for (int r = 0; r < EACH; r++) {
		char *body = NULL;
		for (int i = 0; i < CLIENTS; i++)
			http_sendf(&c[i],
				   "POST " PRODUCTS " HTTP/1.1\r\nHost: localhost\r\n" JSON
				   "Idempotency-Key: round-%d\r\nContent-Length: 22\r\n\r\n"
				   "{\"name\":\"k\",\"price\":1}",
				   r);
		for (int i = 0; i < CLIENTS; i++) {
			http_read(&c[i], "POST", &a);
			ck_assert_msg(a.status == 201, "%s", a.body);
			if (body)
				ck_assert_str_eq(a.body, body);
			else
				body = it_printf("%s", a.body);
			http_answer_fini(&a);
		}
		free(body);
	}
	for (int i = 0; i < CLIENTS; i++)
		http_close(&c[i]);
	ck_assert_int_eq(products_ask("select count(*) from products"), EACH);
	daemon_stop(d);
}
END_TEST

START_TEST(a_key_that_is_under_way_is_told)
{
	struct daemon *d = products_start_with("store.statement_timeout=600ms", "server.workers=1");
	struct http_answer a;
	struct child holder;

	http_expect(daemon_port(d), "POST", PRODUCTS, JSON, "{\"name\":\"a\",\"price\":1}", 201,
		    NULL);
	char *dbname = pg_ask("select current_database()");
	const char *argv[] = {"psql", "-XAtq", "-h", pg_socket_dir(), "-U", "postgres",
			      "-d",   dbname,  NULL};
	child_start(&holder, argv);
	child_write(&holder, "begin; insert into product_idempotency(key, fingerprint, status, "
			     "answer) values ('k', '', 201, ''); select 'held';\n");
	char *line = child_read_line(&holder);
	ck_assert_str_eq(line, "held");
	free(line);
	http_request(daemon_port(d), "POST", PRODUCTS, JSON "Idempotency-Key: k\r\n",
		     "{\"name\":\"b\",\"price\":1}", &a);
	problem_expect(&a, 409, "idempotency-key-in-use", NULL, "k");
	ck_assert_ptr_nonnull(http_field(&a, "Retry-After"));
	http_answer_fini(&a);
	child_write(&holder, "rollback;\n");
	child_close_input(&holder);
	ck_assert_int_eq(child_wait(&holder), 0);
	http_expect(daemon_port(d), "POST", PRODUCTS, JSON "Idempotency-Key: k\r\n",
		    "{\"name\":\"b\",\"price\":1}", 201, NULL);
	products_expect("1 a 1.00;3 b 1.00");
	free(dbname);
	daemon_stop(d);
}
END_TEST

/* Every backend of ours is thrown out again and again while clients write. */
START_TEST(thrown_out_again_and_again)
{
	enum { CONNS = 8, TIME_MS = 3000 };
	struct daemon *d = products_start_with("server.workers=2", NULL);
	struct http_conn c[CONNS];
	struct http_answer a;
	struct child killer;
	unsigned unknown = 0;
	int writes = 0;

	http_expect(daemon_port(d), "POST", PRODUCTS, JSON, "{\"name\":\"first\",\"price\":1}", 201,
		    NULL);
	char *dbname = pg_ask("select current_database()");
	const char *argv[] = {"psql", "-XAtq", "-h", pg_socket_dir(), "-U", "postgres",
			      "-d",   dbname,  NULL};
	child_start(&killer, argv);
	child_write(&killer, "select count(pg_terminate_backend(pid)) from pg_stat_activity where "
			     "usename = 'plaza' and datname = current_database() \\watch 0.25\n");
	for (int i = 0; i < CONNS; i++)
		http_open(&c[i], daemon_port(d));
	const uint64_t began_ms = it_now_ms();
	for (; it_now_ms() - began_ms < TIME_MS; writes += CONNS) {
		bool is_done[CONNS] = {false};
		unsigned left = CONNS;
		const uint64_t until_ms = it_now_ms() + IT_DEADLINE_MS;

		/* the same requests until each was answered well */
		while (left) {
			ck_assert_uint_lt(it_now_ms(), until_ms);
			for (int i = 0; i < CONNS; i++) {
				char body[64];
				if (is_done[i])
					continue;
				int n = snprintf(body, sizeof(body),
						 "{\"name\":\"w%d\",\"price\":1}", writes + i);
				http_sendf(
				    &c[i],
				    "POST " PRODUCTS " HTTP/1.1\r\nHost: localhost\r\n" JSON
				    "Idempotency-Key: key-%d\r\nContent-Length: %d\r\n\r\n%s",
				    writes + i, n, body);
			}
			for (int i = 0; i < CONNS; i++) {
				if (is_done[i])
					continue;
				http_read(&c[i], "POST", &a);
				ck_assert_msg(a.status == 201 || a.status == 503, "%s%s", a.head,
					      a.body);
				is_done[i] = a.status == 201;
				left -= is_done[i];
				unknown += strstr(a.body, "commit-unknown") != NULL;
				http_answer_fini(&a);
			}
		}
	}
	for (int i = 0; i < CONNS; i++)
		http_close(&c[i]);
	kill(killer.pid, SIGTERM);
	child_close_input(&killer);
	child_wait(&killer);
	ck_assert_uint_ge(daemon_log_count(d, 0, "store: lost"), 3);
	/* what the end of a connection has left open, the key decides: within the request's time */
	ck_assert_uint_lt(unknown, (unsigned)writes / 2);
	ck_assert_int_eq(
	    products_ask("select count(distinct name) from products where name ~ '^w'"), writes);
	ck_assert_int_eq(products_ask("select count(*) from products where name ~ '^w'"), writes);
	free(dbname);
	daemon_expect_error(d, "store: ");
	daemon_stop(d);
}
END_TEST

static void
fill(Suite *s)
{
	TCase *tc = it_case(s, "keys");
	tcase_add_loop_test(tc, a_key_is_answered_the_same, 0, 2);
	tcase_add_test(tc, a_key_is_answered_in_the_same_bytes);
	tcase_add_test(tc, an_answer_of_before_is_not_done_again);
	tcase_add_test(tc, a_key_that_its_own_first_attempt_has);
	tcase_add_test(tc, only_what_was_done_is_kept);
	tcase_add_test(tc, a_key_that_many_send_at_once_is_done_once);
	tcase_add_test(tc, a_key_that_is_under_way_is_told);
	tcase_add_test(tc, thrown_out_again_and_again);
}

int
main(void)
{
	return it_main("products_keys", fill, IT_WITH_PG);
}
