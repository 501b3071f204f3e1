/* links: src/pg/conninfo.c src/base/buffer.c -lpq */
/*
 * test_pg_conninfo.c - which servers a connection string names, and what libpq is given.
 */
#include "pg/conninfo.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* "host|addr|port,host|addr|port"; a ? after a target that needs a look-up */
static void
describe(const struct targets *targets, char *out, size_t size)
{
	size_t at = 0;

	out[0] = '\0';
	for (size_t i = 0; i < targets->n && at < size; i++) {
		const struct target *t = &targets->target[i];
		at += (size_t)snprintf(out + at, size - at, "%s%s|%s|%s%s", i ? "," : "", t->host,
				       t->addr, t->port, target_needs_lookup(t) ? "?" : "");
	}
}

static void
clean_environment(void)
{
	static const char *const names[] = {"PGHOST",     "PGHOSTADDR", "PGPORT",
					    "PGUSER",     "PGSERVICE",  "PGDATABASE",
					    "PGPASSWORD", "PGOPTIONS",  "PGAPPNAME"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unsetenv(names[i]);
}

static const struct targets_case {
	const char *conninfo;
	const char *targets;
} cases[] = {
    {"host=/run/postgresql dbname=plaza", "/run/postgresql||5432"},
    {"dbname=plaza", "||5432"},
    {"host=@abstract", "@abstract||5432"},
    {"host=127.0.0.1 port=1", "127.0.0.1||1"},
    {"host=::1", "::1||5432"},
    {"host=db", "db||5432?"},
    {"host=db.example.org hostaddr=10.0.0.1", "db.example.org|10.0.0.1|5432"},
    {"hostaddr=10.0.0.1,10.0.0.2 port=7", "|10.0.0.1|7,|10.0.0.2|7"},
    {"host=a,127.0.0.1,/s port=1,2,3", "a||1?,127.0.0.1||2,/s||3"},
    {"host=a,b port=9", "a||9?,b||9?"},
    {"host=a,b hostaddr=,10.0.0.1", "a||5432?,b|10.0.0.1|5432"},
    {"host=a,,b", "a||5432?,||5432,b||5432?"},
    {"postgresql://u:p@a:1,b:2/plaza", "a||1?,b||2?"},
    {"postgresql://%2Frun%2Fpg/plaza", "/run/pg||5432"},
    /* libpq will refuse these itself; nothing of them is looked up */
    {"host=a,b hostaddr=10.0.0.1", "||"},
    {"host=a,b,c port=1,2", "||"},
};

START_TEST(targets_named)
{
	clean_environment();
	struct conninfo *c = conninfo_new(cases[_i].conninfo);
	char text[256];

	ck_assert_ptr_nonnull(c);
	describe(conninfo_targets(c), text, sizeof(text));
	ck_assert_str_eq(text, cases[_i].targets);
	conninfo_free(&c);
	ck_assert_ptr_null(c);
}
END_TEST

START_TEST(not_a_conninfo)
{
	clean_environment();
	ck_assert_ptr_null(conninfo_new("host"));
	ck_assert_ptr_null(conninfo_new("hots=a"));
	ck_assert_ptr_null(conninfo_new("postgresql://[::1"));
}
END_TEST

START_TEST(environment_and_service)
{
	char file[] = "/tmp/plaza-service-XXXXXX", text[256];
	int fd = mkstemp(file);
	FILE *f = fdopen(fd, "w");

	ck_assert_ptr_nonnull(f);
	fputs("[shop]\nhost=from-service\nport=77\nkeepalives_idle=1\n", f);
	fclose(f);
	clean_environment();
	setenv("PGSERVICEFILE", file, 1);
	setenv("PGHOST", "from-environment", 1);

	struct conninfo *c = conninfo_new("dbname=plaza");
	describe(conninfo_targets(c), text, sizeof(text));
	ck_assert_str_eq(text, "from-environment||5432?");
	conninfo_free(&c);

	setenv("PGSERVICE", "other", 1);
	c = conninfo_new("service=shop");
	describe(conninfo_targets(c), text, sizeof(text));
	ck_assert_str_eq(text, "from-service||77?");
	ck_assert_str_eq(getenv("PGSERVICE"), "other");
	conninfo_free(&c);

	c = conninfo_new("service=shop host=127.0.0.1");
	describe(conninfo_targets(c), text, sizeof(text));
	ck_assert_str_eq(text, "127.0.0.1||77");
	conninfo_free(&c);
	unlink(file);
}
END_TEST

static const char *
option(PQconninfoOption *options, const char *keyword)
{
	for (PQconninfoOption *o = options; o->keyword; o++) {
		if (strcmp(o->keyword, keyword) == 0)
			return o->val ? o->val : "";
	}
	return "?";
}

/* Addresses where nobody listens: libpq knows its parameters all the same. */
START_TEST(parameters_given)
{
	clean_environment();
	struct conninfo *c =
	    conninfo_new("host=a,b port=1,2 dbname=plaza user=me keepalives_count=9 "
			 "client_encoding=LATIN1 sslmode=disable");
	struct targets found = {0};

	ck_assert(targets_add(&found, "a", "127.0.0.1", "1"));
	ck_assert(targets_add(&found, "a", "127.0.0.2", "1"));
	ck_assert(targets_add(&found, "b", "127.0.0.3", "2"));
	for (size_t from = 0; from < 2; from++) {
		PGconn *pg = conninfo_connect(c, &found, from);
		ck_assert_ptr_nonnull(pg);
		PQconninfoOption *o = PQconninfo(pg);
		ck_assert_str_eq(option(o, "host"), from ? "a,b" : "a,a,b");
		ck_assert_str_eq(option(o, "hostaddr"),
				 from ? "127.0.0.2,127.0.0.3" : "127.0.0.1,127.0.0.2,127.0.0.3");
		ck_assert_str_eq(option(o, "port"), from ? "1,2" : "1,1,2");
		ck_assert_str_eq(option(o, "user"), "me");
		ck_assert_str_eq(option(o, "fallback_application_name"), "plazad");
		ck_assert_str_eq(option(o, "client_encoding"), "UTF8");
		ck_assert_str_eq(option(o, "keepalives_count"), "9");
		ck_assert_str_eq(option(o, "keepalives_idle"), "30");
		ck_assert_str_eq(option(o, "gssencmode"), "disable");
		PQconninfoFree(o);
		size_t current = conninfo_current(pg, &found, from);
		ck_assert_uint_ge(current, from);
		ck_assert_uint_lt(current, 3);
		PQfinish(pg);
	}
	targets_fini(&found);
	conninfo_free(&c);
}
END_TEST

START_TEST(what_was_given_stays)
{
	clean_environment();
	struct conninfo *c = conninfo_new("hostaddr=127.0.0.1 port=1 application_name=shop "
					  "gssencmode=prefer tcp_user_timeout=5");
	PGconn *pg = conninfo_connect(c, conninfo_targets(c), 0);
	PQconninfoOption *o = PQconninfo(pg);

	ck_assert_str_eq(option(o, "application_name"), "shop");
	ck_assert_str_eq(option(o, "gssencmode"), "prefer");
	ck_assert_str_eq(option(o, "tcp_user_timeout"), "5");
	PQconninfoFree(o);
	PQfinish(pg);
	conninfo_free(&c);

	/* lists that do not fit: libpq's own words, at once */
	c = conninfo_new("host=a,b hostaddr=127.0.0.1");
	pg = conninfo_connect(c, conninfo_targets(c), 0);
	ck_assert_int_eq(PQstatus(pg), CONNECTION_BAD);
	ck_assert_ptr_nonnull(strstr(PQerrorMessage(pg), "could not match 2 host names"));
	PQfinish(pg);
	conninfo_free(&c);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("pg_conninfo");
	TCase *tc = tcase_create("pg_conninfo");

	tcase_add_loop_test(tc, targets_named, 0, sizeof(cases) / sizeof(cases[0]));
	tcase_add_test(tc, not_a_conninfo);
	tcase_add_test(tc, environment_and_service);
	tcase_add_test(tc, parameters_given);
	tcase_add_test(tc, what_was_given_stays);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
