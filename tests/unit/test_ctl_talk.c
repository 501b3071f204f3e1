/* links: src/ctl/talk.c src/ctl/talk_show.c src/ctl/queue.c src/ctl/lines.c src/base/buffer.c
 * -ljansson */
/*
 * test_ctl_talk.c - plazactl chat's side of chat.v1.json, against a server that is written here.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ctl/talk.h"

#define NAME "0123456789abcdef"

/* --- one talk, and what it shows --- */

static struct talk talk;
static char *shown, *noted;
static size_t shown_len, noted_len, shown_at, noted_at;
static uint64_t now;

static void
setup(bool is_terminal)
{
	setenv("TZ", "UTC", 1);
	tzset();
	now = 100000;
	shown_at = noted_at = 0;
	talk = (struct talk){.wants_presence = is_terminal};
	talk.view.out = open_memstream(&shown, &shown_len);
	talk.view.notes = open_memstream(&noted, &noted_len);
	talk.view.is_terminal = is_terminal;
	talk_init(&talk, 0x0123456789abcdef);
}

static void
setup_pipe(void)
{
	setup(false);
}

static void
setup_terminal(void)
{
	setup(true);
}

static void
teardown(void)
{
	talk_fini(&talk);
	fclose(talk.view.out);
	fclose(talk.view.notes);
	free(shown);
	free(noted);
}

static void
hear(const char *text)
{
	talk_receive(&talk, now, span_str(text), false);
}

static void
type(const char *line)
{
	ck_assert(talk_line(&talk, span_str(line)));
}

static void
expect_next(const char *text)
{
	struct buffer out = {0};

	ck_assert_msg(talk_next(&talk, now, &out), "nothing, not %s", text);
	ck_assert_msg(span_eq(buffer_span(&out), span_str(text)), "%.*s, not %s", (int)out.len,
		      out.data, text);
	buffer_fini(&out);
}

static void
expect_nothing(void)
{
	struct buffer out = {0};

	ck_assert(!talk_has_next(&talk, now));
	ck_assert_msg(!talk_next(&talk, now, &out), "%.*s", (int)out.len, out.data);
	buffer_fini(&out);
}

/* What was written since this was asked last. */
static const char *
news(FILE *f, char *const *text, size_t *at)
{
	fflush(f);
	const char *since = *text + *at;
	*at = strlen(*text);
	return since;
}

static void
expect_shown(const char *expected)
{
	ck_assert_str_eq(news(talk.view.out, &shown, &shown_at), expected);
}

static void
expect_noted(const char *expected)
{
	ck_assert_str_eq(news(talk.view.notes, &noted, &noted_at), expected);
}

/* On a terminal: what follows the time of the test, HH:MM:SS, on each line. */
static void
expect_lines(const char *expected)
{
	const char *text = news(talk.view.out, &shown, &shown_at);
	char *without = malloc(strlen(text) + 1), *out = without;

	ck_assert_ptr_nonnull(without);
	for (const char *p = text; *p;) {
		size_t n = strcspn(p, "\n");
		size_t skip = n > 9 && p[2] == ':' && p[5] == ':' ? 9 : 0;

		memcpy(out, p + skip, n - skip + 1);
		out += n - skip + 1;
		p += n + 1;
	}
	*out = '\0';
	ck_assert_str_eq(without, expected);
	free(without);
}

#define WELCOME                                                                         \
	"{\"t\":\"welcome\",\"v\":1,\"conn\":\"c1\",\"epoch\":\"e1\",\"room\":\"ops\"," \
	"\"seq\":7,\"first\":1,\"max\":200,\"ping\":25,\"retry\":{\"base\":500,\"max\":4000}}"
#define JOINED "{\"id\":1,\"t\":\"ok\",\"room\":\"ops\",\"epoch\":\"e1\",\"seq\":7,\"first\":1}"
/* of the welcome */
#define SINCE "\"since\":{\"epoch\":\"e1\",\"seq\":7}"
#define LEAVE "{\"t\":\"leave\",\"room\":\"ops\"}"
#define MSG(seq, more) \
	"{\"t\":\"msg\",\"room\":\"ops\",\"seq\":" #seq ",\"ts\":1700000000000" more "}"
#define PUB(id, n, data)                                                        \
	"{\"t\":\"pub\",\"id\":" #id ",\"room\":\"ops\",\"cid\":\"" NAME "-" #n \
	"\",\"data\":\"" data "\"}"
#define OK(id, seq) "{\"id\":" #id ",\"t\":\"ok\",\"room\":\"ops\",\"seq\":" #seq ",\"ts\":1}"

static void
come_in(void)
{
	talk_begin(&talk, now);
	expect_nothing();
	hear(WELCOME);
	expect_next(LEAVE);
	expect_next("{\"t\":\"join\",\"room\":\"ops\",\"pres\":\"none\"," SINCE ",\"id\":1}");
	hear(JOINED);
	ck_assert_int_eq(talk.state, TALK_IN);
}

/* As if for the first time. */
static void
come_in_again(void)
{
	talk.has_position = talk.was_in = false;
	talk.id = 0;
	come_in();
}

/* --- for scripts --- */

START_TEST(lines_are_published_one_at_a_time)
{
	type("a");
	type("");
	type("/who");
	come_in();
	expect_next(PUB(2, 0, "a"));
	expect_nothing();
	hear(MSG(8, ",\"data\":\"a\""));
	ck_assert(!talk_is_idle(&talk));
	hear(OK(2, 8));
	expect_next(PUB(3, 1, ""));
	hear(OK(3, 9));
	expect_next(PUB(4, 2, "/who"));
	hear(OK(4, 10));
	expect_nothing();
	/* its own message has not come back */
	ck_assert(!talk_is_idle(&talk));
	hear(MSG(9, ",\"data\":\"\""));
	hear(MSG(10, ",\"data\":\"/who\""));
	ck_assert(talk_is_idle(&talk));
	expect_shown("a\n\n/who\n");
	expect_noted("");
}
END_TEST

START_TEST(name_and_last_are_told_with_the_join)
{
	talk.name = "\xe5\xa4\xaa\xe9\x83\x8e";
	talk.last = 5;
	talk_begin(&talk, now);
	hear(WELCOME);
	expect_next(LEAVE);
	expect_next("{\"t\":\"join\",\"room\":\"ops\",\"pres\":\"none\",\"name\":"
		    "\"\xe5\xa4\xaa\xe9\x83\x8e\",\"last\":5,\"id\":1}");
	hear("{\"id\":1,\"t\":\"ok\",\"room\":\"ops\",\"epoch\":\"e1\",\"seq\":7,\"replay\":2}");
	hear(MSG(6, ",\"r\":1,\"data\":\"x\""));
	hear(MSG(7, ",\"r\":1,\"data\":\"y\""));
	expect_shown("x\ny\n");
	expect_noted("");
}
END_TEST

START_TEST(after_a_loss_it_goes_on_where_it_was)
{
	come_in();
	hear(MSG(8, ",\"data\":\"x\""));
	type("a");
	type("b");
	expect_next(PUB(2, 0, "a"));
	talk_lost(&talk, now, 0);
	expect_nothing();
	hear(MSG(9, ",\"data\":\"too late\""));
	talk_begin(&talk, now);
	hear(WELCOME);
	expect_next(LEAVE);
	expect_next("{\"t\":\"join\",\"room\":\"ops\",\"pres\":\"none\",\"since\":{\"epoch\":"
		    "\"e1\",\"seq\":8},\"id\":3}");
	expect_nothing();
	hear("{\"id\":3,\"t\":\"ok\",\"epoch\":\"e1\",\"seq\":10,\"recovered\":true,\"replay\":2}");
	/* the same cid: it may have been published before */
	expect_next(PUB(4, 0, "a"));
	hear(MSG(9, ",\"r\":1,\"data\":\"y\""));
	hear(MSG(10, ",\"r\":1,\"data\":\"a\""));
	hear(MSG(10, ",\"data\":\"twice\""));
	hear("{\"id\":4,\"t\":\"ok\",\"seq\":10,\"dup\":true}");
	expect_next(PUB(5, 1, "b"));
	hear(OK(5, 11));
	hear(MSG(11, ",\"data\":\"b\""));
	ck_assert(talk_is_idle(&talk));
	expect_shown("x\ny\na\nb\n");
	expect_noted("plazactl: connected again, nothing is missing\n");
}
END_TEST

START_TEST(gaps_are_told)
{
	static const struct {
		const char *gap, *text;
	} gaps[] = {
	    {"\"from\":8,\"to\":10,\"why\":\"slow\",\"epoch\":\"e1\"",
	     "messages missing: 3 (8 to 10); this client reads too slowly; /history may have "
	     "them\n"},
	    {"\"from\":8,\"to\":10,\"why\":\"trimmed\",\"epoch\":\"e1\"",
	     "messages missing: 3 (8 to 10); they are not kept any more\n"},
	    {"\"from\":8,\"to\":10,\"why\":\"lag\",\"epoch\":\"e1\"",
	     "messages missing: 3 (8 to 10); the server was too busy; /history may have them\n"},
	    {"\"from\":11,\"to\":10,\"why\":\"epoch\",\"epoch\":\"e2\"",
	     "messages may be missing; the room has begun anew\n"},
	    {"\"from\":8,\"to\":10,\"why\":\"?\\u001b[2J\",\"epoch\":\"e1\"",
	     "messages missing: 3 (8 to 10); no reason was told\n"},
	};

	for (size_t i = 0; i < sizeof(gaps) / sizeof(gaps[0]); i++) {
		char gap[200], text[200];

		if (i)
			setup_pipe();
		come_in();
		snprintf(gap, sizeof(gap), "{\"t\":\"gap\",\"room\":\"ops\",%s}", gaps[i].gap);
		snprintf(text, sizeof(text), "plazactl: %s", gaps[i].text);
		hear(gap);
		hear(MSG(11, ",\"data\":\"x\""));
		expect_noted(text);
		expect_shown("x\n");
		if (i + 1 < sizeof(gaps) / sizeof(gaps[0]))
			teardown();
	}
	/* and what the server did not tell */
	hear(MSG(13, ",\"data\":\"y\""));
	expect_noted("plazactl: messages missing: 1 (12 to 12); no reason was told\n");
}
END_TEST

START_TEST(own_message_in_an_older_epoch_is_not_waited_for)
{
	come_in();
	type("a");
	expect_next(PUB(2, 0, "a"));
	hear(OK(2, 8));
	ck_assert(!talk_is_idle(&talk));
	hear("{\"t\":\"gap\",\"room\":\"ops\",\"from\":1,\"to\":0,\"why\":\"epoch\",\"epoch\":"
	     "\"e2\"}");
	ck_assert(talk_is_idle(&talk));
}
END_TEST

START_TEST(what_may_pass_is_tried_again)
{
	talk_begin(&talk, now);
	hear(WELCOME);
	expect_next(LEAVE);
	expect_next("{\"t\":\"join\",\"room\":\"ops\",\"pres\":\"none\"," SINCE ",\"id\":1}");
	hear("{\"id\":1,\"t\":\"err\",\"code\":\"unavailable\",\"msg\":\"m\",\"temp\":true,"
	     "\"retry\":50}");
	ck_assert(talk_tick(&talk, now));
	expect_nothing();
	ck_assert_uint_eq(talk_wait_ms(&talk, now), 50);
	now += 50;
	ck_assert(talk_tick(&talk, now));
	expect_next("{\"t\":\"join\",\"room\":\"ops\",\"pres\":\"none\"," SINCE ",\"id\":2}");
	hear("{\"id\":2,\"t\":\"ok\",\"epoch\":\"e1\",\"seq\":7}");
	type("a");
	expect_next(PUB(3, 0, "a"));
	hear("{\"id\":3,\"t\":\"err\",\"code\":\"rate\",\"msg\":\"m\",\"temp\":true,\"retry\":30}");
	expect_nothing();
	ck_assert_uint_eq(talk_wait_ms(&talk, now), 30);
	now += 30;
	expect_next(PUB(4, 0, "a"));
	hear(OK(4, 8));
	ck_assert_uint_eq(talk.refused, 0);
	expect_noted("");
}
END_TEST

START_TEST(what_cannot_be_is_told)
{
	come_in();
	type("a");
	type("b");
	expect_next(PUB(2, 0, "a"));
	hear("{\"id\":2,\"t\":\"err\",\"code\":\"denied\",\"msg\":\"no\\u001b\",\"temp\":false}");
	expect_noted("plazactl: not published: no\\x1b (denied)\n");
	ck_assert_uint_eq(talk.refused, 1);
	expect_next(PUB(3, 1, "b"));
	hear(OK(3, 8));
	/* 200 bytes are accepted, JSON and all */
	char line[201];
	memset(line, 'x', 200);
	line[200] = '\0';
	type(line);
	type("c");
	expect_next(PUB(5, 3, "c"));
	expect_noted("plazactl: a line of 200 bytes is too long; accepted: 200, less what JSON "
		     "adds\n");
	ck_assert_uint_eq(talk.refused, 2);
	hear("{\"t\":\"err\",\"code\":\"internal\",\"msg\":\"m\",\"temp\":true}");
	expect_noted("plazactl: the server says: m (internal)\n");
}
END_TEST

START_TEST(a_server_that_speaks_otherwise_is_left)
{
	static const char *const words[] = {"hello", "[]", "\"x\"", "", "{\"t\":\"welcome\"}"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (i) {
			teardown();
			setup_pipe();
		}
		talk_begin(&talk, now);
		hear(words[i]);
		ck_assert_msg(talk.failed[0], "%s", words[i]);
		expect_nothing();
	}
	teardown();
	setup_pipe();
	talk_begin(&talk, now);
	talk_receive(&talk, now, span_str(WELCOME), true);
	ck_assert(talk.failed[0]);
	/* but what is not known, or for another room, is passed over */
	teardown();
	setup_pipe();
	come_in();
	hear("{\"t\":\"new\"}");
	hear("{\"x\":1}");
	hear("{\"t\":\"msg\",\"room\":\"other\",\"seq\":8,\"data\":\"x\"}");
	hear("{\"t\":\"ok\",\"id\":99}");
	hear("{\"t\":\"pong\"}");
	expect_shown("");
	expect_noted("");
	ck_assert(!talk.failed[0]);
}
END_TEST

START_TEST(join_that_is_refused_ends_it)
{
	talk_begin(&talk, now);
	hear(WELCOME);
	hear("{\"id\":1,\"t\":\"err\",\"code\":\"limit\",\"msg\":\"no more\",\"temp\":false}");
	ck_assert_str_eq(talk.failed, "cannot join ops: no more (limit)");
}
END_TEST

START_TEST(silence_is_asked_about)
{
	come_in();
	now += 24999;
	ck_assert(talk_tick(&talk, now));
	expect_nothing();
	now += 1;
	ck_assert(talk_tick(&talk, now));
	expect_next("{\"t\":\"ping\"}");
	now += 9999;
	ck_assert(talk_tick(&talk, now));
	hear("{\"t\":\"pong\"}");
	now += 25000;
	ck_assert(talk_tick(&talk, now));
	expect_next("{\"t\":\"ping\"}");
	now += 10000;
	ck_assert(!talk_tick(&talk, now));
	/* nor is a welcome waited for without end */
	talk_lost(&talk, now, 0);
	ck_assert(talk_tick(&talk, now + 1000000));
	talk_begin(&talk, now);
	ck_assert(talk_tick(&talk, now + 9999));
	ck_assert(!talk_tick(&talk, now + 10000));
	ck_assert(!talk.failed[0]);
	/* and if there never was one, that is the end */
	teardown();
	setup_pipe();
	talk_begin(&talk, now);
	ck_assert(!talk_tick(&talk, now + 10000));
	ck_assert(talk.failed[0]);
}
END_TEST

START_TEST(attempts_are_spread_and_grow)
{
	static const uint64_t most[] = {500, 1000, 2000, 4000, 4000, 4000};

	come_in();
	for (size_t i = 0; i < sizeof(most) / sizeof(most[0]); i++) {
		unsigned tries = talk.tries;

		ck_assert_uint_eq(talk_lost(&talk, now, 0), 0);
		talk.tries = tries;
		ck_assert_uint_eq(talk_lost(&talk, now, UINT32_MAX / 2), most[i] / 2 - 1);
		talk.tries = tries;
		ck_assert_uint_eq(talk_lost(&talk, now, UINT32_MAX), most[i]);
	}
	/* a connection that lived begins anew, one that did not does not */
	come_in_again();
	ck_assert_uint_eq(talk_lost(&talk, now + 9999, UINT32_MAX), 4000);
	come_in_again();
	ck_assert_uint_eq(talk_lost(&talk, now + 10000, UINT32_MAX), 500);
	/* and a server that says when is believed */
	come_in_again();
	hear("{\"t\":\"notice\",\"what\":\"drain\",\"retry\":[1000,8000]}");
	ck_assert_uint_eq(talk_lost(&talk, now, 0), 1000);
	ck_assert_uint_le(talk_lost(&talk, now, UINT32_MAX), 4000);
	come_in_again();
	hear("{\"t\":\"notice\",\"what\":\"drain\",\"retry\":[1000,8000]}");
	ck_assert_uint_eq(talk_lost(&talk, now, UINT32_MAX), 8000);
}
END_TEST

/* --- for people --- */

static const struct {
	const char *event, *line;
} lines[] = {
    {MSG(8, ",\"from\":\"c7\",\"name\":\"ann\",\"data\":\"hi\""), "2023-11-14 22:13:20 ann: hi\n"},
    {MSG(8, ",\"from\":\"c7\",\"data\":\"hi\""), "2023-11-14 22:13:20 c7: hi\n"},
    {MSG(8, ",\"data\":\"hi\""), "2023-11-14 22:13:20 (http): hi\n"},
    {MSG(8, ",\"data\":{\"a\": [1, null]}"), "2023-11-14 22:13:20 (http): {\"a\":[1,null]}\n"},
    {MSG(8, ",\"data\":0.5"), "2023-11-14 22:13:20 (http): 0.5\n"},
    {MSG(8, ",\"b64\":\"AGhp/w==\""), "2023-11-14 22:13:20 (http): binary: \\x00hi\\xff\n"},
    {MSG(8, ",\"b64\":\"\""), "2023-11-14 22:13:20 (http): binary: \n"},
    {MSG(8, ",\"b64\":\"!\""), "2023-11-14 22:13:20 (http): binary: \n"},
    {MSG(8, ""), "2023-11-14 22:13:20 (http): binary: \n"},
    /* nobody's name or text commands the terminal */
    {MSG(8, ",\"name\":\"a\\u001b[2Jb\\n\",\"data\":\"\\u001b]0;x\\u0007\\u009b1m\\r\\u0000\""),
     "2023-11-14 22:13:20 a\\x1b[2Jb\\n: \\x1b]0;x\\x07\\xc2\\x9b1m\\x0d\\x00\n"},
    {"{\"t\":\"pres\",\"room\":\"ops\",\"pseq\":1,\"all\":true,\"join\":[{\"conn\":\"c1\"},"
     "{\"conn\":\"c2\",\"name\":\"bob\\u001b\"}],\"leave\":[],\"count\":2}",
     "-- 2 here: c1, bob\\x1b\n"},
    {"{\"t\":\"pres\",\"room\":\"ops\",\"pseq\":2,\"join\":[{\"conn\":\"c3\",\"name\":\"eve\"}],"
     "\"leave\":[{\"conn\":\"c2\",\"name\":\"bob\"}],\"count\":2}",
     "-- bob left, 2 here\n-- eve came, 2 here\n"},
    {"{\"t\":\"pres\",\"room\":\"ops\",\"pseq\":3,\"count\":201}", "-- 201 here\n"},
    {"{\"t\":\"pres\",\"room\":\"other\",\"pseq\":3,\"count\":201}", ""},
    {"{\"t\":\"notice\",\"what\":\"expire\\u001b\",\"in\":60}",
     "-- the server gives notice: expire\\x1b\n"},
    {"{\"t\":\"notice\",\"what\":\"drain\",\"retry\":[1000,8000]}",
     "-- the server is renewed and will close the connection\n"},
    {"{\"t\":\"gap\",\"room\":\"ops\",\"from\":8,\"to\":8,\"why\":\"trimmed\",\"epoch\":\"e1\"}",
     "-- messages missing: 1 (8 to 8); they are not kept any more\n"},
};

START_TEST(events_are_shown)
{
	talk_begin(&talk, now);
	hear(WELCOME);
	expect_next(LEAVE);
	expect_next("{\"t\":\"join\",\"room\":\"ops\",\"pres\":\"diff\"," SINCE ",\"id\":1}");
	hear(JOINED);
	expect_lines("-- in the room ops; /help tells more\n");
	hear(lines[_i].event);
	expect_lines(lines[_i].line);
	expect_noted("");
}
END_TEST

START_TEST(message_of_today_has_no_date)
{
	char event[200];

	talk_begin(&talk, now);
	hear(WELCOME);
	hear(JOINED);
	snprintf(event, sizeof(event),
		 "{\"t\":\"msg\",\"room\":\"ops\",\"seq\":8,\"ts\":%lld000,\"name\":\"ann\","
		 "\"data\":\"hi\"}",
		 (long long)time(NULL));
	hear(event);
	expect_lines("-- in the room ops; /help tells more\nann: hi\n");
}
END_TEST

START_TEST(commands_are_run)
{
	/* not connected yet */
	type("/who");
	expect_lines("-- not connected just now\n");
	talk_begin(&talk, now);
	hear(WELCOME);
	hear(JOINED);
	expect_next(LEAVE);
	expect_next("{\"t\":\"join\",\"room\":\"ops\",\"pres\":\"diff\"," SINCE ",\"id\":1}");
	expect_lines("-- in the room ops; /help tells more\n");
	type("/who");
	expect_next("{\"t\":\"presence\",\"room\":\"ops\",\"limit\":100,\"id\":2}");
	hear("{\"id\":2,\"t\":\"ok\",\"count\":101,\"members\":[{\"conn\":\"c1\",\"name\":\"ann\"},"
	     "{\"conn\":\"c2\"}],\"more\":true}");
	expect_lines("-- 101 here: ann, c2 and others\n");
	type("/history");
	expect_next("{\"t\":\"history\",\"room\":\"ops\",\"before\":8,\"limit\":20,\"id\":3}");
	hear("{\"id\":3,\"t\":\"ok\",\"msgs\":[" MSG(3, ",\"data\":\"x\"") "," MSG(
	    4, ",\"data\":\"y\"") "],\"more\":true}");
	expect_lines("2023-11-14 22:13:20 (http): x\n2023-11-14 22:13:20 (http): y\n"
		     "-- end of 2 older messages\n");
	/* further back */
	type("/history 2");
	expect_next("{\"t\":\"history\",\"room\":\"ops\",\"before\":3,\"limit\":2,\"id\":4}");
	hear("{\"id\":4,\"t\":\"ok\",\"msgs\":[" MSG(2, ",\"data\":\"w\"") "],\"more\":false}");
	expect_lines("2023-11-14 22:13:20 (http): w\n-- end of 1 older messages, all there are\n");
	type("/history 2");
	expect_next("{\"t\":\"history\",\"room\":\"ops\",\"before\":2,\"limit\":2,\"id\":5}");
	hear("{\"id\":5,\"t\":\"ok\",\"msgs\":[],\"more\":false}");
	expect_lines("-- nothing older is kept\n");
	type("/history 0");
	type("/history 201");
	type("/history x");
	expect_lines("-- /history takes a number from 1 to 200\n"
		     "-- /history takes a number from 1 to 200\n"
		     "-- /history takes a number from 1 to 200\n");
	type("/dance now");
	expect_lines("-- /dance is no command; /help tells which there are\n");
	type("/help");
	fflush(talk.view.out);
	ck_assert_ptr_nonnull(strstr(shown, "/history N"));
	expect_nothing();
	/* no commands */
	type("");
	type("//who");
	expect_next(PUB(6, 0, "/who"));
	ck_assert(!talk.is_quitting);
	type("/quit");
	ck_assert(talk.is_quitting);
}
END_TEST

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

int
main(void)
{
	Suite *suite = suite_create("ctl_talk");
	TCase *pipe = tcase_create("pipe"), *terminal = tcase_create("terminal");

	tcase_add_checked_fixture(pipe, setup_pipe, teardown);
	tcase_add_test(pipe, lines_are_published_one_at_a_time);
	tcase_add_test(pipe, name_and_last_are_told_with_the_join);
	tcase_add_test(pipe, after_a_loss_it_goes_on_where_it_was);
	tcase_add_test(pipe, gaps_are_told);
	tcase_add_test(pipe, own_message_in_an_older_epoch_is_not_waited_for);
	tcase_add_test(pipe, what_may_pass_is_tried_again);
	tcase_add_test(pipe, what_cannot_be_is_told);
	tcase_add_test(pipe, a_server_that_speaks_otherwise_is_left);
	tcase_add_test(pipe, join_that_is_refused_ends_it);
	tcase_add_test(pipe, silence_is_asked_about);
	tcase_add_test(pipe, attempts_are_spread_and_grow);
	suite_add_tcase(suite, pipe);
	tcase_add_checked_fixture(terminal, setup_terminal, teardown);
	tcase_add_loop_test(terminal, events_are_shown, 0, COUNT(lines));
	tcase_add_test(terminal, message_of_today_has_no_date);
	tcase_add_test(terminal, commands_are_run);
	suite_add_tcase(suite, terminal);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
