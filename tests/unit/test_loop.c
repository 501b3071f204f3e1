/* links: src/base/loop.c src/base/clock.c src/base/log.c src/base/deadline.c -levent_core */
/*
 * test_loop.c - watches, timers, pass hooks, the sleep handshake, slow callbacks and deadlines.
 */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/log.h"
#include "base/loop.h"

static struct loop *loop;
static int fds[2];
static char trace[256];

static void
note(const char *what)
{
	ck_assert_uint_lt(strlen(trace) + strlen(what), sizeof(trace));
	strcat(trace, what);
}

static void
setup(void)
{
	loop = loop_new();
	ck_assert_ptr_nonnull(loop);
	ck_assert_int_eq(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
	trace[0] = '\0';
}

static void
teardown(void)
{
	loop_free(&loop);
	ck_assert_ptr_null(loop);
	close(fds[0]);
	close(fds[1]);
}

static void
read_one(void *arg, short what)
{
	char c[2] = {0};

	(void)arg;
	ck_assert_int_eq(what, LOOP_READ);
	ck_assert_int_eq((int)read(fds[0], c, 1), 1);
	note(c);
	if (c[0] == 'z')
		loop_stop(loop);
}

START_TEST(watch_is_called_until_all_is_read)
{
	struct watch w;

	watch_init(&w, loop, fds[0], LOOP_READ, "test read", read_one, NULL);
	ck_assert(!watch_started(&w));
	ck_assert(watch_start(&w));
	ck_assert(watch_start(&w));
	ck_assert(watch_started(&w));
	ck_assert_int_eq((int)write(fds[1], "abz", 3), 3);
	loop_run(loop);
	ck_assert_str_eq(trace, "abz");
	/* a loop that was stopped runs again */
	ck_assert_int_eq((int)write(fds[1], "cz", 2), 2);
	loop_run(loop);
	ck_assert_str_eq(trace, "abzcz");
	watch_stop(&w);
	ck_assert(!watch_started(&w));
	watch_stop(&w);
}
END_TEST

static void
free_itself(void *arg, short what)
{
	struct watch *w = arg;

	(void)what;
	watch_stop(w);
	free(w);
	loop_stop(loop);
}

START_TEST(watch_may_be_freed_in_its_own_callback)
{
	struct watch *w = malloc(sizeof(*w));

	ck_assert_ptr_nonnull(w);
	watch_init(w, loop, fds[0], LOOP_READ, "test free", free_itself, w);
	ck_assert(watch_start(w));
	ck_assert_int_eq((int)write(fds[1], "a", 1), 1);
	loop_run(loop);
}
END_TEST

static void
stop_cb(void *arg, short what)
{
	(void)what;
	if (arg)
		note(arg);
	loop_stop(loop);
}

static void
note_cb(void *arg, short what)
{
	(void)what;
	note(arg);
}

START_TEST(timers_fire_once_in_order)
{
	struct watch first, second, last;
	uint64_t begin_us = clock_monotonic_us();

	watch_init_timer(&last, loop, "last", stop_cb, "3");
	watch_init_timer(&second, loop, "second", note_cb, "2");
	watch_init_timer(&first, loop, "first", note_cb, "1");
	ck_assert(watch_start_ms(&last, 30));
	ck_assert(watch_start_ms(&second, 20));
	ck_assert(watch_start_ms(&first, 1));
	loop_run(loop);
	ck_assert_str_eq(trace, "123");
	/* libevent reads the coarse clock, whose ticks are up to 10 ms apart (CONFIG_HZ=100) */
	ck_assert_uint_ge(clock_monotonic_us() - begin_us, 20000);
	ck_assert(!watch_started(&first));
}
END_TEST

START_TEST(signal_is_a_callback)
{
	struct watch w;

	watch_init_signal(&w, loop, SIGUSR1, "test signal", stop_cb, "s");
	ck_assert(watch_start(&w));
	raise(SIGUSR1);
	loop_run(loop);
	ck_assert_str_eq(trace, "s");
	watch_stop(&w);
}
END_TEST

static bool
hook(void *arg)
{
	static int more = 2;

	note(arg);
	/* asks twice for another pass without a wait */
	return more-- > 0;
}

static bool
may_sleep(void *arg)
{
	(void)arg;
	note("S");
	ck_assert_int_eq((int)write(fds[1], "z", 1), 1);
	return true;
}

static void
woken(void *arg)
{
	(void)arg;
	note("W");
}

START_TEST(hooks_run_before_sleep_and_wake_before_the_callback)
{
	struct pass_hook h = {.fn = hook, .name = "test hook", .arg = "h"};
	struct watch w;

	watch_init(&w, loop, fds[0], LOOP_READ, "test read", read_one, NULL);
	ck_assert(watch_start(&w));
	loop_add_pass_hook(loop, &h);
	loop_set_sleep(loop, may_sleep, woken, NULL);
	loop_run(loop);
	ck_assert_str_eq(trace, "hhhSWz");
	watch_stop(&w);
}
END_TEST

static uint64_t first_ended_us;

static void
take_5_ms(void *arg, short what)
{
	struct timespec ts = {0, 5000000};

	note_cb(arg, what);
	/* time is what is looked at; nothing is waited for */
	nanosleep(&ts, NULL);
	first_ended_us = clock_monotonic_us();
}

static void
look_at_now(void *arg, short what)
{
	ck_assert_uint_ge(loop_now_us(loop), first_ended_us);
	ck_assert_uint_le(loop_now_us(loop), clock_monotonic_us());
	stop_cb(arg, what);
}

/* The clock is not read at the beginning of each. */
START_TEST(now_is_when_this_callback_began_not_the_first_of_the_pass)
{
	struct watch first, second;

	watch_init_timer(&first, loop, "first", take_5_ms, "1");
	watch_init_timer(&second, loop, "second", look_at_now, "2");
	ck_assert(watch_start_ms(&first, 0));
	ck_assert(watch_start_ms(&second, 0));
	loop_run(loop);
	ck_assert_str_eq(trace, "12");
}
END_TEST

static bool
look_at_now_after_a_wait(void *arg)
{
	(void)arg;
	/* the timer's wait is over, or not begun */
	ck_assert_uint_le(loop_now_us(loop), clock_monotonic_us());
	ck_assert(first_ended_us == 0 || loop_now_us(loop) >= first_ended_us);
	return false;
}

START_TEST(now_is_fresh_in_hooks_too)
{
	struct pass_hook h = {.fn = look_at_now_after_a_wait, .name = "test hook"};
	struct watch first, second;

	loop_add_pass_hook(loop, &h);
	watch_init_timer(&first, loop, "first", take_5_ms, "1");
	watch_init_timer(&second, loop, "second", look_at_now, "2");
	ck_assert(watch_start_ms(&first, 0));
	ck_assert(watch_start_ms(&second, 20));
	loop_run(loop);
	ck_assert_str_eq(trace, "12");
}
END_TEST

static void
be_slow(void *arg, short what)
{
	struct timespec ts = {0, 20000000};

	(void)arg;
	(void)what;
	/* the callback under test is slow by definition; nothing is waited for */
	nanosleep(&ts, NULL);
	loop_stop(loop);
}

START_TEST(slow_callback_is_logged_by_name)
{
	char line[512];
	int err[2];
	struct watch w;

	ck_assert_int_eq(pipe2(err, O_NONBLOCK), 0);
	ck_assert_int_eq(dup2(err[1], STDERR_FILENO), STDERR_FILENO);
	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_INFO);
	loop_set_slow_ms(loop, 10);
	watch_init_timer(&w, loop, "sleepy one", be_slow, NULL);
	ck_assert(watch_start_ms(&w, 0));
	loop_run(loop);
	ssize_t n = read(err[0], line, sizeof(line) - 1);
	ck_assert_int_gt((int)n, 0);
	line[n] = '\0';
	static const char head[] = "warning: slow callback: sleepy one took ";
	const char *took = strstr(line, head);
	ck_assert_ptr_nonnull(took);
	/* at least what it slept; a busy machine adds to that */
	ck_assert_int_ge(atoi(took + strlen(head)), 20);
	ck_assert_ptr_nonnull(strstr(line, " ms\n"));
}
END_TEST

struct item {
	struct deadline d;
	const char *name;
};

static struct deadline_list shorter, longer;
static struct item a = {.name = "a"}, b = {.name = "b"}, c = {.name = "c"};

static void
expired(struct deadline *d, void *ctx)
{
	struct item *item = (struct item *)(void *)d;

	ck_assert(!deadline_armed(d));
	note(item->name);
	if (ctx)
		loop_stop(loop);
}

START_TEST(deadlines_expire_in_order_of_their_last_arming)
{
	deadline_list_init(&shorter, loop, 5, "shorter", expired, NULL);
	deadline_list_init(&longer, loop, 60, "longer", expired, &longer);
	deadline_arm(&a.d, &longer);
	deadline_arm(&a.d, &shorter);
	deadline_arm(&b.d, &shorter);
	deadline_arm(&a.d, &shorter);
	deadline_arm(&c.d, &longer);
	loop_run(loop);
	ck_assert_str_eq(trace, "bac");
	deadline_list_fini(&shorter);
	deadline_list_fini(&longer);
}
END_TEST

static uint64_t armed_ms, expired_ms;

static void
note_expired(struct deadline *d, void *ctx)
{
	(void)ctx;
	/* the other one goes first when this one was armed again too late */
	if (d != &a.d)
		return;
	expired_ms = clock_monotonic_ms();
	loop_stop(loop);
}

static void
arm_again(void *arg, short what)
{
	(void)what;
	armed_ms = loop_now_ms(loop);
	deadline_arm(&a.d, arg);
	ck_assert_uint_eq(deadline_age_ms(&a.d), 0);
}

/* It stays in its place, and still has all of its time. */
START_TEST(deadline_armed_again_within_the_slack_is_not_early)
{
	struct watch again;

	deadline_list_init(&longer, loop, 640, "longer", note_expired, NULL);
	ck_assert_uint_eq(longer.slack_ms, 10);
	watch_init_timer(&again, loop, "again", arm_again, &longer);
	deadline_arm(&a.d, &longer);
	deadline_arm(&b.d, &longer);
	const uint64_t place_ms = a.d.expires_ms;
	watch_start_ms(&again, 2);
	loop_run(loop);
	ck_assert_uint_ge(expired_ms, armed_ms + 640);
	/* unless the timer came too late for that */
	ck_assert(a.d.expires_ms == place_ms || armed_ms + 641 > place_ms);
	deadline_list_fini(&longer);
}
END_TEST

START_TEST(disarmed_deadline_is_silent)
{
	deadline_list_init(&shorter, loop, 5, "shorter", expired, NULL);
	deadline_list_init(&longer, loop, 30, "longer", expired, &longer);
	deadline_arm(&a.d, &shorter);
	deadline_arm(&b.d, &shorter);
	deadline_arm(&c.d, &longer);
	deadline_disarm(&a.d);
	deadline_disarm(&a.d);
	loop_run(loop);
	ck_assert_str_eq(trace, "bc");
	deadline_list_fini(&shorter);
	deadline_list_fini(&longer);
	ck_assert(!deadline_armed(&a.d));
}
END_TEST

static void
rearm(struct deadline *d, void *ctx)
{
	expired(d, NULL);
	if (strlen(trace) < 4)
		deadline_arm(d, ctx);
	else
		loop_stop(loop);
}

START_TEST(expired_deadline_may_be_armed_again)
{
	deadline_list_init(&shorter, loop, 2, "shorter", rearm, &shorter);
	deadline_arm(&a.d, &shorter);
	loop_run(loop);
	ck_assert_str_eq(trace, "aaaa");
	deadline_list_fini(&shorter);
}
END_TEST

#define MANY (DEADLINE_BATCH * 2 + 1)

static unsigned n_expired, n_in_pass, most_in_pass;

static void
count_expired(struct deadline *d, void *ctx)
{
	(void)d;
	(void)ctx;
	n_expired++;
	if (++n_in_pass > most_in_pass)
		most_in_pass = n_in_pass;
	if (n_expired == MANY)
		loop_stop(loop);
}

static bool
count_pass(void *arg)
{
	(void)arg;
	n_in_pass = 0;
	return false;
}

START_TEST(deadlines_that_expire_together_let_the_loop_turn)
{
	static struct deadline many[MANY];
	struct pass_hook hook = {.fn = count_pass, .name = "count pass"};

	loop_add_pass_hook(loop, &hook);
	deadline_list_init(&shorter, loop, 1, "shorter", count_expired, NULL);
	for (size_t i = 0; i < MANY; i++)
		deadline_arm(&many[i], &shorter);
	loop_run(loop);
	ck_assert_uint_eq(n_expired, MANY);
	ck_assert_uint_le(most_in_pass, DEADLINE_BATCH);
	deadline_list_fini(&shorter);
}
END_TEST

START_TEST(http_date_is_imf_fixdate)
{
	struct tm tm;
	char date[CLOCK_HTTP_DATE_SIZE];
	uint64_t now_us = clock_monotonic_us();
	uint64_t until_us = clock_http_date(now_us, date);

	ck_assert_uint_eq(strlen(date), 29);
	const char *end = strptime(date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	ck_assert_ptr_eq(end, date + 29);
	ck_assert_int_le(labs((long)(timegm(&tm) - time(NULL))), 2);
	ck_assert_uint_gt(until_us, now_us);
	ck_assert_uint_le(until_us, now_us + 1000000);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("loop");
	TCase *tc = tcase_create("loop");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, watch_is_called_until_all_is_read);
	tcase_add_test(tc, watch_may_be_freed_in_its_own_callback);
	tcase_add_test(tc, timers_fire_once_in_order);
	tcase_add_test(tc, signal_is_a_callback);
	tcase_add_test(tc, hooks_run_before_sleep_and_wake_before_the_callback);
	tcase_add_test(tc, now_is_when_this_callback_began_not_the_first_of_the_pass);
	tcase_add_test(tc, now_is_fresh_in_hooks_too);
	tcase_add_test(tc, slow_callback_is_logged_by_name);
	tcase_add_test(tc, deadlines_expire_in_order_of_their_last_arming);
	tcase_add_test(tc, deadline_armed_again_within_the_slack_is_not_early);
	tcase_add_test(tc, disarmed_deadline_is_silent);
	tcase_add_test(tc, expired_deadline_may_be_armed_again);
	tcase_add_test(tc, deadlines_that_expire_together_let_the_loop_turn);
	tcase_add_test(tc, http_date_is_imf_fixdate);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
