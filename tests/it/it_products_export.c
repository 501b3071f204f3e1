/*
 * it_products_export.c - all products at once: every format, rows of all sizes, readers that are
 * slow or leave, a database that is busy or dies in the middle, and the memory that a million rows
 * take.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/pg.c -ljansson */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"
#include "http_client.h"
#include "pg.h"
#include "procfs.h"

#define EXPORT   "/api/products/export"
#define N(table) (sizeof(table) / sizeof((table)[0]))

#define CSV_TYPE    "text/csv; charset=utf-8; header=present"
#define NDJSON_TYPE "application/x-ndjson"
#define JSON_TYPE   "application/json"

static bool
is_served(uint16_t port, const char *target)
{
	struct http_answer a;

	http_request(port, "GET", target, NULL, NULL, &a);
	const bool is_right = a.status == 200;
	http_answer_fini(&a);
	return is_right;
}

static struct daemon *
start_with(const char *sql, const char *option_2)
{
	char *option = it_printf("store.database=%s", pg_fresh());

	if (sql)
		free(pg_ask(sql));
	struct daemon *d = daemon_start(option, option_2, NULL);
	free(option);
	/* all schema steps are taken */
	WAIT_UNTIL(is_served(daemon_port(d), EXPORT "?name=x"));
	return d;
}

#define TABLE(rows)                                                                            \
	"create table products(id serial primary key, name text not null, price numeric not "  \
	"null, colour text); alter table products owner to plaza; insert into products(name, " \
	"price, colour) " rows

/* --- formats --- */

#define THREE TABLE("values ('a, \"b\"', 1.50, null), ('Pen', 'NaN', 'red'), ('', 3, '')")
#define ROW_1 "{\"id\":1,\"name\":\"a, \\\"b\\\"\",\"price\":1.50,\"version\":0,\"colour\":null}"
#define ROW_2 "{\"id\":2,\"name\":\"Pen\",\"price\":null,\"version\":0,\"colour\":\"red\"}"
#define ROW_3 "{\"id\":3,\"name\":\"\",\"price\":3,\"version\":0,\"colour\":\"\"}"

static const char json[] = "[\n" ROW_1 ",\n" ROW_2 ",\n" ROW_3 "\n]\n";
static const char ndjson[] = ROW_1 "\n" ROW_2 "\n" ROW_3 "\n";
static const char csv[] = "id,name,price,version,colour\r\n1,\"a, \"\"b\"\"\",1.50,0,\r\n"
			  "2,Pen,,0,red\r\n3,\"\",3,0,\"\"\r\n";

static const struct format_case {
	const char *query, *accept, *type, *body;
} formats[] = {
    {"", NULL, JSON_TYPE, json},
    {"", "*/*", JSON_TYPE, json},
    {"", "text/csv", CSV_TYPE, csv},
    {"", "application/x-ndjson", NDJSON_TYPE, ndjson},
    {"", "application/json;q=0.5, text/csv", CSV_TYPE, csv},
    {"", "text/*", CSV_TYPE, csv},
    {"", "application/*", JSON_TYPE, json},
    {"", "*/*, application/x-ndjson", NDJSON_TYPE, ndjson},
    {"", "text/html, application/xhtml+xml, */*;q=0.8", JSON_TYPE, json},
    {"", "application/json;q=0, text/csv;q=0, */*", NDJSON_TYPE, ndjson},
    {"?format=csv", NULL, CSV_TYPE, csv},
    {"?format=json", "text/csv", JSON_TYPE, json},
    {"?format=ndjson", "text/html", NDJSON_TYPE, ndjson},
    {"?name=Pen", NULL, JSON_TYPE, "[\n" ROW_2 "\n]\n"},
    {"?price.lte=2&format=ndjson", NULL, NDJSON_TYPE, ROW_1 "\n"},
    {"?price.gte=3&price.lte=3", "application/x-ndjson", NDJSON_TYPE, ROW_3 "\n"},
    {"?q=pen", "application/x-ndjson", NDJSON_TYPE, ROW_2 "\n"},
    {"?name=x", NULL, JSON_TYPE, "[\n]\n"},
    {"?name=x&format=csv", NULL, CSV_TYPE, "id,name,price,version,colour\r\n"},
    {"?name=x&format=ndjson", NULL, NDJSON_TYPE, ""},
};

START_TEST(formats_are_chosen)
{
	struct daemon *d = start_with(THREE, NULL);
	const uint16_t port = daemon_port(d);
	struct http_answer a;

	WAIT_UNTIL(is_served(port, EXPORT "?q=pen"));
	for (size_t i = 0; i < N(formats); i++) {
		const struct format_case *f = &formats[i];
		char *target = it_printf(EXPORT "%s", f->query);
		char *fields = f->accept ? it_printf("Accept: %s\r\n", f->accept) : NULL;

		http_request(port, "GET", target, fields, NULL, &a);
		ck_assert_msg(a.status == 200, "%s %s: %s", target, fields, a.body);
		ck_assert_str_eq(http_field(&a, "Content-Type"), f->type);
		ck_assert_str_eq(http_field(&a, "Vary"), "Accept");
		ck_assert_ptr_nonnull(http_field(&a, "Server-Timing"));
		ck_assert_str_eq(a.body, f->body);
		http_answer_fini(&a);
		/* the head is the same */
		http_request(port, "HEAD", target, fields, NULL, &a);
		ck_assert_int_eq(a.status, 200);
		ck_assert_str_eq(http_field(&a, "Content-Type"), f->type);
		http_answer_fini(&a);
		free(target);
		free(fields);
	}
	daemon_stop(d);
}
END_TEST

static const struct {
	const char *query, *accept;
	int status;
	const char *text;
} refused[] = {
    {"", "text/html", 406, "application/json, text/csv, application/x-ndjson"},
    {"", "*/*;q=0", 406, "/problems/not-acceptable"},
    {"?format=xml", NULL, 400, "format must be json, csv or ndjson, given once"},
    {"?format=", NULL, 400, "format must be json, csv or ndjson, given once"},
    {"?format=csv&format=csv", NULL, 400, "format must be json, csv or ndjson, given once"},
    {"?limit=5", NULL, 400,
     "\\\"limit\\\" is not a parameter here; name, q, price.gte, price.lte and format"},
    {"?price.gte=x", NULL, 400, "price.gte must be a price"},
    {"?name=%00", NULL, 400, "name must be 1 to 2048 bytes"},
};

START_TEST(what_cannot_be_exported)
{
	struct daemon *d = start_with(THREE, NULL);
	struct http_answer a;

	for (size_t i = 0; i < N(refused); i++) {
		char *target = it_printf(EXPORT "%s", refused[i].query);
		char *fields =
		    refused[i].accept ? it_printf("Accept: %s\r\n", refused[i].accept) : NULL;

		http_request(daemon_port(d), "GET", target, fields, NULL, &a);
		ck_assert_msg(a.status == refused[i].status, "%s: %s", target, a.body);
		ck_assert_msg(strstr(a.body, refused[i].text) != NULL, "%s", a.body);
		http_answer_fini(&a);
		free(target);
		free(fields);
	}
	daemon_stop(d);
	d = daemon_start_default();
	http_expect_get(daemon_port(d), EXPORT, 503, NULL);
	daemon_stop(d);
}
END_TEST

/* --- rows of all sizes --- */

#define SIZES                                                                                     \
	TABLE("select repeat(chr(97 + i % 26), case when i % 500 = 0 then 300000 when i % 7 = 0 " \
	      "then 3000 else i % 50 end), i, null from generate_series(1, 6000) i; delete from " \
	      "products where id % 9 = 5")

START_TEST(every_row_is_there_once)
{
	struct daemon *d = start_with(SIZES, NULL);
	char *want = pg_ask("select string_agg(id || ':' || length(name), ' ' order by id) from "
			    "products"),
	     *w = want;
	struct http_answer a;

	http_request(daemon_port(d), "GET", EXPORT, NULL, NULL, &a);
	ck_assert_int_eq(a.status, 200);
	json_t *rows = json_loadb(a.body, a.body_len, 0, NULL), *row;
	ck_assert_ptr_nonnull(rows);
	http_answer_fini(&a);
	size_t i;
	json_array_foreach(rows, i, row)
	{
		const long id = (long)json_integer_value(json_object_get(row, "id"));
		const size_t len = json_string_length(json_object_get(row, "name"));
		ck_assert_int_eq(strtol(w, &w, 10), id);
		ck_assert_int_eq(*w++, ':');
		ck_assert_uint_eq(strtoul(w, &w, 10), len);
	}
	ck_assert_str_eq(w, "");
	json_decref(rows);
	free(want);
	daemon_stop(d);
}
END_TEST

/* --- readers --- */

/* The body to the end of the connection, without chunks; the head is read already. */
static void
begin_1_0(struct http_conn *c, uint16_t port, const char *target)
{
	http_open(c, port);
	http_sendf(c, "GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n", target);
}

/* How many lines come until the end, or until there were `max` bytes; -1: there was none in time.
 */
static long
count_lines(struct http_conn *c, size_t max)
{
	static char data[1 << 18];
	long lines = 0;
	size_t got = 0;

	while (got < max) {
		const ssize_t n = recv(c->fd, data, sizeof(data), 0);
		if (n <= 0)
			break;
		got += (size_t)n;
		for (const char *p = data; (p = memchr(p, '\n', (size_t)(data + n - p))); p++)
			lines++;
	}
	return lines;
}

/* "00:00:01 123": when the last page was asked for. */
static char *
last_page(void)
{
	return pg_ask("select coalesce(max(query_start)::text, '') from pg_stat_activity where "
		      "usename = 'plaza' and query like '%limit%'");
}

/* Whether pages are asked for: one takes far less than psql does. */
static bool
is_at_rest(void)
{
	char *before = last_page(), *after = last_page();
	const bool is_same = strcmp(before, after) == 0;

	free(before);
	free(after);
	return is_same;
}

#define ROWS 300000
#define MANY TABLE("select 'product ' || i, i / 100.0, null from generate_series(1, 300000) i")

START_TEST(a_reader_sets_the_pace)
{
	struct daemon *d = start_with(MANY, "server.workers=1");
	struct http_conn c;
	pid_t workers[PROCFS_MAX];
	char *kept[2];

	daemon_workers(d, workers);
	http_expect_get(daemon_port(d), "/health", 200, NULL);
	begin_1_0(&c, daemon_port(d), EXPORT "?format=ndjson");
	const long head = count_lines(&c, 1);
	ck_assert_int_gt(head, 0);
	/* who does not read has none of it made */
	WAIT_UNTIL(is_at_rest());
	kept[0] = last_page();
	/* meanwhile others are served, and exported to */
	http_expect_get(
	    daemon_port(d), "/api/products/300000", 200,
	    "{\"id\":300000,\"name\":\"product 300000\",\"price\":3000.0000000000000000,"
	    "\"version\":0,\"colour\":null}");
	http_expect_get(
	    daemon_port(d), EXPORT "?name=product%20299999&format=csv", 200,
	    "id,name,price,version,colour\r\n299999,product 299999,2999.9900000000000000,"
	    "0,\r\n");
	kept[1] = last_page();
	ck_assert_str_ne(kept[0], kept[1]);
	/* and who goes on reading gets all of it */
	const long lines = head + count_lines(&c, SIZE_MAX);
	ck_assert_int_ge(lines, 300000);
	ck_assert_int_le(lines, 300020);
	http_close(&c);

	/* who leaves is forgotten */
	begin_1_0(&c, daemon_port(d), EXPORT "?format=ndjson");
	ck_assert_int_gt(count_lines(&c, 100000), 0);
	WAIT_UNTIL(is_at_rest());
	const size_t n_fds = procfs_count_fds(workers[0]);
	http_close(&c);
	WAIT_UNTIL(procfs_count_fds(workers[0]) < n_fds && is_at_rest());
	free(kept[0]);
	free(kept[1]);
	daemon_stop(d);
}
END_TEST

START_TEST(what_is_cut_is_seen_to_be_cut)
{
	struct daemon *d = start_with(MANY, NULL);
	struct http_conn c;
	struct http_answer a;

	http_open(&c, daemon_port(d));
	http_sendf(&c, "GET " EXPORT " HTTP/1.1\r\nHost: localhost\r\n\r\n");
	ck_assert(http_receive(&c, it_now_ms() + 20000));
	WAIT_UNTIL(is_at_rest());
	/* its making and a lock on the table would wait for each other */
	free(daemon_log_wait(d, 0, "search is ready"));
	/* as many as before, but no more the same */
	free(pg_ask("alter table products rename column colour to size"));
	const char *why = http_try_read(&c, "GET", &a);
	ck_assert_msg(why && strstr(why, "ends in a chunk"), "%s", why ? why : "it is whole");
	http_close(&c);
	free(daemon_log_wait(d, 0, "the table has other columns than it had at the beginning"));
	/* and all is well again */
	http_expect_get(daemon_port(d), EXPORT "?name=product%207&format=csv", 200,
			"id,name,price,version,size\r\n7,product 7,0.07000000000000000000,0,\r\n");
	daemon_stop(d);
}
END_TEST

/* --- what passes --- */

/* A reader of NDJSON whose ids are 1, 2... without a gap. */
struct follower {
	struct http_conn c;
	long next; /* id */
};

/* The whole lines that are there. */
static void
follow_lines(struct follower *f)
{
	struct http_conn *c = &f->c;
	size_t at = 0;

	for (char *end; (end = memchr(c->buf + at, '\n', c->len - at)) != NULL;) {
		char *line = c->buf + at, *rest;

		ck_assert_msg(strncmp(line, "{\"id\":", 6) == 0, "%.40s", line);
		ck_assert_int_eq(strtol(line + 6, &rest, 10), f->next);
		ck_assert_int_eq(*rest, ',');
		f->next++;
		at = (size_t)(end + 1 - c->buf);
	}
	memmove(c->buf, c->buf + at, c->len - at);
	c->len -= at;
}

static void
follow_begin(struct follower *f, uint16_t port)
{
	const char *body;

	f->next = 1;
	begin_1_0(&f->c, port, EXPORT "?format=ndjson");
	do
		ck_assert(http_receive(&f->c, it_now_ms() + IT_DEADLINE_MS));
	while (!(body = memmem(f->c.buf, f->c.len, "\r\n\r\n", 4)));
	body += 4;
	f->c.len -= (size_t)(body - f->c.buf);
	memmove(f->c.buf, body, f->c.len);
	/* who does not read has none of it made */
	WAIT_UNTIL(is_at_rest());
}

/* Reads until a page was asked for in vain. */
static void
follow_to_wait(struct follower *f, struct daemon *d)
{
	for (struct it_wait wait = it_wait_begin();
	     !daemon_log_has(d, 0, "an export waits after the product");) {
		if (http_readable(&f->c, 10)) {
			ck_assert_msg(http_receive(&f->c, wait.until_ms), "it ends at %ld",
				      f->next);
			follow_lines(f);
		}
		it_wait_again(&wait, __FILE__, __LINE__, "it to wait");
	}
	ck_assert_int_lt(f->next, ROWS);
}

/* To the end, which is that of the table. */
static void
follow_to_end(struct follower *f)
{
	while (http_receive(&f->c, it_now_ms() + IT_DEADLINE_MS))
		follow_lines(f);
	ck_assert(f->c.eof);
	ck_assert_int_eq(f->next, ROWS + 1);
	ck_assert_uint_eq(f->c.len, 0);
	http_close(&f->c);
}

START_TEST(a_restart_of_the_server_is_no_end)
{
	struct daemon *d = start_with(MANY, "log.level=debug");
	struct follower f;

	follow_begin(&f, daemon_port(d));
	pg_do("kill");
	follow_to_wait(&f, d);
	pg_do("restart");
	follow_to_end(&f);
	daemon_stop(d);
}
END_TEST

#define CLIENTS 12

START_TEST(a_full_queue_is_no_end)
{
	char *database = it_printf("store.database=%s", pg_fresh());
	char *db = pg_ask("select current_database()");
	const char *const argv[] = {"psql", "-XAtq", "-h", pg_socket_dir(), "-U", "postgres",
				    "-d",   db,      NULL};
	struct http_conn c[CLIENTS];
	struct http_answer a;
	struct follower f;
	struct child psql;
	unsigned n_busy = 0;

	free(pg_ask(MANY));
	struct daemon *d = daemon_start(database, "server.workers=1", "store.queue_limit=1",
					"store.statement_timeout=1s", "log.level=debug", NULL);
	const uint16_t port = daemon_port(d);
	WAIT_UNTIL(is_served(port, EXPORT "?name=x"));
	free(daemon_log_wait(d, 0, "search is ready"));
	follow_begin(&f, port);
	child_start(&psql, argv);
	child_write(&psql, "begin; lock table products; select 'locked';\n");
	char *line = child_read_line(&psql);
	ck_assert_str_eq(line, "locked");
	free(line);
	for (size_t i = 0; i < CLIENTS; i++) {
		http_open(&c[i], port);
		/* equal ones would share a place in the queue */
		http_sendf(&c[i], "GET /api/products?limit=%zu HTTP/1.1\r\nHost: localhost\r\n\r\n",
			   i + 1);
	}
	follow_to_wait(&f, d);
	child_write(&psql, "commit;\n");
	child_close_input(&psql);
	ck_assert_int_eq(child_wait(&psql), 0);
	follow_to_end(&f);
	for (size_t i = 0; i < CLIENTS; i++) {
		http_read(&c[i], "GET", &a);
		ck_assert(a.status == 200 || a.status == 503);
		n_busy += strstr(a.body, "/problems/store-busy") != NULL;
		http_answer_fini(&a);
		http_close(&c[i]);
	}
	ck_assert_uint_gt(n_busy, 0);
	daemon_stop(d);
	free(database);
	free(db);
}
END_TEST

/* A connection lost is none of the client's business as long as there is another one. */
START_TEST(a_lost_connection_is_no_end)
{
	struct daemon *d = start_with(MANY, NULL);
	struct http_conn c;

	begin_1_0(&c, daemon_port(d), EXPORT "?format=ndjson");
	long lines = count_lines(&c, 1);
	for (int i = 0; i < 3; i++) {
		WAIT_UNTIL(is_at_rest());
		free(pg_ask("select pg_terminate_backend(pid) from pg_stat_activity where usename "
			    "= 'plaza'"));
		lines += count_lines(&c, 5000000);
	}
	lines += count_lines(&c, SIZE_MAX);
	ck_assert_int_ge(lines, 300000);
	ck_assert_int_le(lines, 300020);
	http_close(&c);
	daemon_stop(d);
}
END_TEST

/* --- memory --- */

#define MILLION                                                       \
	TABLE("select 'product number ' || i, i / 100.0, 'red' from " \
	      "generate_series(1, 1000000) i")
#define KIB_MAX 8192

/* What a process costs, its part of shared pages among it, in KiB. */
static long
pss_kib(pid_t pid)
{
	char path[64];
	long kib = -1;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	char *text = it_read_file(path);
	ck_assert_ptr_nonnull(text);
	ck_assert_int_eq(sscanf(strstr(text, "\nPss:"), "\nPss: %ld kB", &kib), 1);
	free(text);
	return kib;
}

START_TEST(a_million_rows_take_no_memory)
{
	struct daemon *d = start_with(MILLION, "server.workers=1");
	const uint16_t port = daemon_port(d);
	pid_t workers[PROCFS_MAX];
	struct http_conn quick, slow;
	long most = 0, n_quick = 0, n_slow = 0;

	/* what it takes once and for all: statements, buffers of connections */
	http_expect_get(port, EXPORT "?name=x", 200, "[\n]\n");
	http_expect_get(port, "/api/products?limit=1", 200, NULL);
	daemon_workers(d, workers);
	const long before = pss_kib(workers[0]);
	begin_1_0(&slow, port, EXPORT "?format=ndjson");
	begin_1_0(&quick, port, EXPORT "?format=ndjson");
	for (long n = 1; n > 0;) {
		n = count_lines(&quick, 8 << 20);
		n_quick += n;
		n_slow += n_slow > 40000 ? 0 : count_lines(&slow, 1 << 20);
		const long now = pss_kib(workers[0]);
		most = now > most ? now : most;
	}
	/* the slow one still gets its own */
	for (long n = 1; n > 0;) {
		n = count_lines(&slow, 16 << 20);
		n_slow += n;
		const long now = pss_kib(workers[0]);
		most = now > most ? now : most;
	}
	ck_assert_int_ge(n_quick, 1000000);
	ck_assert_int_le(n_quick, 1000020);
	ck_assert_int_eq(n_slow, n_quick);
	if (!it_has_sanitizers())
		ck_assert_msg(most - before < KIB_MAX, "%ld KiB more", most - before);
	http_close(&quick);
	http_close(&slow);
	daemon_stop(d);
}
END_TEST

static void
fill(Suite *s)
{
	TCase *tc = it_case(s, "formats");
	tcase_add_test(tc, formats_are_chosen);
	tcase_add_test(tc, what_cannot_be_exported);
	tcase_add_test(tc, every_row_is_there_once);

	tc = it_case(s, "readers");
	tcase_add_test(tc, a_reader_sets_the_pace);
	tcase_add_test(tc, what_is_cut_is_seen_to_be_cut);
	tcase_add_test(tc, a_lost_connection_is_no_end);
	tcase_add_test(tc, a_restart_of_the_server_is_no_end);
	tcase_add_test(tc, a_full_queue_is_no_end);

	tc = it_case(s, "memory");
	tcase_add_test(tc, a_million_rows_take_no_memory);
}

int
main(void)
{
	return it_main("products_export", fill, IT_WITH_PG);
}
