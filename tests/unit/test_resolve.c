/* links: src/pg/resolve.c src/pg/conninfo.c src/base/buffer.c src/base/loop.c src/base/clock.c
 * src/base/log.c -levent_core -lpq -lpthread */
/*
 * test_resolve.c - names become addresses while the loop runs on, however slow the resolver.
 */
#include "pg/resolve.h"

#include <arpa/inet.h>
#include <check.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

static struct loop *loop;
static sem_t may_answer;
static atomic_int answered;
static char found_text[512], error_text[512];
static unsigned calls;

/* "two" has two addresses, "none" has none; "slow" waits until it may answer. */
static int
fake_lookup(const char *node, const char *service, const struct addrinfo *hints,
	    struct addrinfo **result)
{
	struct addrinfo h = *hints, *second = NULL;

	if (strcmp(node, "none") == 0)
		return EAI_NONAME;
	if (strcmp(node, "slow") == 0)
		sem_wait(&may_answer);
	h.ai_flags |= AI_NUMERICHOST;
	int rc = getaddrinfo("127.0.0.7", service, &h, result);
	if (rc == 0 && strcmp(node, "two") == 0) {
		rc = getaddrinfo("::1", service, &h, &second);
		(*result)->ai_next = second;
	}
	atomic_fetch_add(&answered, 1);
	return rc;
}

static void
setup(void)
{
	loop = loop_new();
	ck_assert_ptr_nonnull(loop);
	ck_assert_int_eq(sem_init(&may_answer, 0, 0), 0);
	resolve_lookup = fake_lookup;
	calls = 0;
	found_text[0] = error_text[0] = '\0';
}

static void
teardown(void)
{
	loop_free(&loop);
}

static void
done(struct targets *found, const char *error, void *ctx)
{
	size_t at = 0;

	ck_assert_ptr_eq(ctx, &calls);
	calls++;
	if (found) {
		for (size_t i = 0; i < found->n; i++)
			at += (size_t)snprintf(found_text + at, sizeof(found_text) - at,
					       "%s%s|%s|%s", i ? "," : "", found->target[i].host,
					       found->target[i].addr, found->target[i].port);
		targets_fini(found);
	} else {
		snprintf(error_text, sizeof(error_text), "%s", error);
	}
	loop_stop(loop);
}

static struct resolve *
submit(const char *const *hosts, size_t n)
{
	struct targets targets = {0};

	for (size_t i = 0; i < n; i++)
		ck_assert(targets_add(&targets, hosts[i], "", i % 2 ? "2" : "1"));
	struct resolve *r = resolve_submit(loop, &targets, done, &calls);
	ck_assert_ptr_nonnull(r);
	/* it has its own copy */
	targets_fini(&targets);
	return r;
}

static const struct lookup_case {
	const char *host[4];
	size_t n;
	const char *found;
	const char *error; /* part of it */
} cases[] = {
    {{"one"}, 1, "one|127.0.0.7|1", ""},
    {{"two"}, 1, "two|127.0.0.7|1,two|::1|1", ""},
    {{"two", "one"}, 2, "two|127.0.0.7|1,two|::1|1,one|127.0.0.7|2", ""},
    {{"none", "/socket", "127.0.0.1"}, 3, "/socket||2,127.0.0.1||1", ""},
    {{"none"}, 1, "", "host name \"none\": Name or service not known"},
    {{"none", "none"}, 2, "", "host name \"none\""},
};

START_TEST(looked_up)
{
	const struct lookup_case *c = &cases[_i];

	submit(c->host, c->n);
	ck_assert_uint_eq(calls, 0);
	loop_run(loop);
	ck_assert_uint_eq(calls, 1);
	ck_assert_str_eq(found_text, c->found);
	ck_assert_msg(strstr(error_text, c->error) != NULL, "%s", error_text);
}
END_TEST

static unsigned ticks;
static struct watch ticker;

static void
tick(void *arg, short what)
{
	(void)arg;
	(void)what;
	/* the loop has gone round while the resolver hangs */
	if (++ticks == 5)
		sem_post(&may_answer);
	else
		watch_start_ms(&ticker, 1);
}

START_TEST(the_loop_goes_on)
{
	static const char *const hosts[] = {"slow"};

	submit(hosts, 1);
	watch_init_timer(&ticker, loop, "tick", tick, NULL);
	watch_start_ms(&ticker, 1);
	loop_run(loop);
	ck_assert_uint_eq(calls, 1);
	ck_assert_uint_ge(ticks, 5);
	ck_assert_str_eq(found_text, "slow|127.0.0.7|1");
}
END_TEST

static void
tock(void *arg, short what)
{
	(void)arg;
	(void)what;
	if (atomic_load(&answered) == 1 && ++ticks > 5)
		loop_stop(loop);
	else
		watch_start_ms(&ticker, 1);
}

START_TEST(abandoned_while_it_hangs)
{
	static const char *const hosts[] = {"slow"};
	struct resolve *r = submit(hosts, 1);

	resolve_abandon(&r);
	ck_assert_ptr_null(r);
	resolve_abandon(&r);
	sem_post(&may_answer);
	watch_init_timer(&ticker, loop, "tock", tock, NULL);
	watch_start_ms(&ticker, 1);
	loop_run(loop);
	ck_assert_uint_eq(calls, 0);
}
END_TEST

START_TEST(needed_for_names_only)
{
	struct targets targets = {0};

	ck_assert(targets_add(&targets, "/s", "", ""));
	ck_assert(targets_add(&targets, "10.0.0.1", "", ""));
	ck_assert(targets_add(&targets, "db", "10.0.0.1", ""));
	ck_assert(!resolve_needed(&targets));
	ck_assert(targets_add(&targets, "db", "", ""));
	ck_assert(resolve_needed(&targets));
	targets_fini(&targets);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("resolve");
	TCase *tc = tcase_create("resolve");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, looked_up, 0, sizeof(cases) / sizeof(cases[0]));
	tcase_add_test(tc, the_loop_goes_on);
	tcase_add_test(tc, abandoned_while_it_hangs);
	tcase_add_test(tc, needed_for_names_only);
	tcase_set_timeout(tc, 60);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
