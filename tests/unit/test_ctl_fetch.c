/* links: src/ctl/fetch_list.c src/ctl/fetch_show.c src/ctl/json_text.c src/ctl/lines.c
 * src/base/buffer.c -ljansson */
/*
 * test_ctl_fetch.c - URLs out of lines and into jobs of a bounded size, and the lines and JSON of
 * what came of them.
 */
#include <check.h>
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/fetch_list.h"
#include "ctl/fetch_show.h"

#define N(table) ((int)(sizeof(table) / sizeof((table)[0])))

/* --- lines --- */

static const struct {
	const char *input, *urls[4], *why;
	size_t len; /* 0: of the text */
} inputs[] = {
    {"", {NULL}, NULL, 0},
    {"\n \t\r\n\n", {NULL}, NULL, 0},
    {"a", {"a"}, NULL, 0},
    {"a\nb\n", {"a", "b"}, NULL, 0},
    {" a \r\n\n\tb c\t\nd", {"a", "b c", "d"}, NULL, 0},
    {"a\n\xff\nb\n", {"a"}, "line 2 is not UTF-8", 0},
    {"a\n\nb\0c\n", {"a"}, "line 3 has a byte of zero", 7},
};

START_TEST(each_line_is_a_url)
{
	const size_t len = inputs[_i].len ? inputs[_i].len : strlen(inputs[_i].input);
	struct fetch_list list = {0};
	char why[200] = "";
	int fds[2];
	size_t n = 0;

	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(write(fds[1], inputs[_i].input, len), (ssize_t)len);
	close(fds[1]);
	ck_assert_int_eq(fetch_list_read(&list, fds[0], why), inputs[_i].why == NULL);
	ck_assert_str_eq(why, inputs[_i].why ? inputs[_i].why : "");
	for (; inputs[_i].urls[n]; n++)
		ck_assert_str_eq(list.url[n].text, inputs[_i].urls[n]);
	ck_assert_uint_eq(list.n, n);
	close(fds[0]);
	fetch_list_fini(&list);
}
END_TEST

/* --- jobs --- */

static void
add(struct fetch_list *list, const char *text)
{
	ck_assert(fetch_list_add(list, span_str(text)));
}

/* The args of the job from there on, as JSON; the caller lets go of it. */
static json_t *
args_of(struct fetch_list *list, const char *more, size_t from, size_t *to, size_t *n)
{
	struct buffer out = {0};
	json_error_t error;

	/* what is there already is none of it */
	ck_assert(buffer_append(&out, "args:", 5, SIZE_MAX / 2));
	ck_assert(fetch_list_args(list, more, from, &out, to, n));
	buffer_consume(&out, 5);
	ck_assert_uint_le(out.len, FETCH_JOB_BYTES_MAX);
	json_t *json = json_loadb(out.data, out.len, 0, &error);
	ck_assert_msg(json != NULL, "%s: %.*s", error.text, (int)out.len, out.data);
	ck_assert_uint_eq(json_array_size(json_object_get(json, "urls")), *n);
	buffer_fini(&out);
	return json;
}

START_TEST(a_job_has_what_is_open)
{
	struct fetch_list list = {0};
	size_t to, n;

	add(&list, "http://a/\"\\");
	add(&list, "b");
	add(&list, "\xff");
	add(&list, "c");
	fetch_url_fail(&list.url[1], "%s", "refused");
	json_t *json = args_of(&list, ",\"method\":\"PUT\"", 0, &to, &n);
	const json_t *urls = json_object_get(json, "urls");
	ck_assert_uint_eq(n, 2);
	ck_assert_uint_eq(to, 4);
	ck_assert_str_eq(json_string_value(json_array_get(urls, 0)), "http://a/\"\\");
	ck_assert_str_eq(json_string_value(json_array_get(urls, 1)), "c");
	ck_assert_str_eq(json_string_value(json_object_get(json, "method")), "PUT");
	ck_assert_str_eq(list.url[1].error, "refused");
	ck_assert_str_eq(list.url[2].error, "validation: is not UTF-8");
	json_decref(json);
	json = args_of(&list, "", 4, &to, &n);
	ck_assert_uint_eq(n, 0);
	json_decref(json);
	fetch_list_fini(&list);
}
END_TEST

/* All of them, in order, none twice, whatever their length. */
START_TEST(jobs_have_no_more_than_they_may)
{
	struct fetch_list list = {0};
	size_t at = 0, jobs = 0, seen = 0;
	char text[400];

	for (int i = 0; i < 3000; i++) {
		snprintf(
		    text, sizeof(text), "%d%.*s", i, _i * 10,
		    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
		add(&list, text);
	}
	while (at < list.n) {
		size_t n;
		json_t *json = args_of(&list, ",\"body\":\"b\"", at, &at, &n);
		const json_t *urls = json_object_get(json, "urls");

		ck_assert_uint_ge(n, 1);
		ck_assert_uint_le(n, FETCH_JOB_URLS_MAX);
		for (size_t i = 0; i < n; i++)
			ck_assert_int_eq(atoi(json_string_value(json_array_get(urls, i))),
					 (int)seen++);
		json_decref(json);
		jobs++;
	}
	ck_assert_uint_eq(seen, 3000);
	ck_assert_uint_ge(jobs, 3);
	ck_assert_uint_le(jobs, 3 + 3000 * ((size_t)_i * 10 + 8) / FETCH_JOB_BYTES_MAX);
	fetch_list_fini(&list);
}
END_TEST

START_TEST(a_url_that_fits_nowhere_fails_alone)
{
	struct fetch_list list = {0};
	const size_t around = strlen("{\"urls\":[\"\"]}");
	char *text = calloc(1, FETCH_JOB_BYTES_MAX + 1);
	size_t to, n;

	memset(text, 'x', FETCH_JOB_BYTES_MAX - around);
	add(&list, text);
	memset(text, 'x', FETCH_JOB_BYTES_MAX - around + 1);
	add(&list, text);
	add(&list, "b");
	json_t *json = args_of(&list, "", 0, &to, &n);
	json_decref(json);
	ck_assert_uint_eq(n, 1);
	ck_assert_uint_eq(to, 1);
	ck_assert(fetch_url_is_open(&list.url[0]));
	json = args_of(&list, "", to, &to, &n);
	json_decref(json);
	ck_assert_uint_eq(n, 1);
	ck_assert_uint_eq(to, 3);
	ck_assert_msg(strncmp(list.url[1].error, "validation: is too long; ", 25) == 0, "%s",
		      list.url[1].error);
	ck_assert(fetch_url_is_open(&list.url[2]));
	free(text);
	fetch_list_fini(&list);
}
END_TEST

/* --- what is shown --- */

static const char *const names[] = {"n", "s\"t"};

static const struct {
	const char *result, *error, *line, *json;
	bool has_status;
} shown[] = {
    {"{\"url\":\"u\",\"status\":200,\"ms\":12,\"bytes\":345,\"text\":\"\",\"values\":{\"n\":1.10,"
     "\"s\\\"t\":\"a\\tb\\nc\"},\"missing\":[],\"error\":null}",
     NULL, "200\t12\t345\tu\t-\tn=1.10\ts\"t=a\\x09b\\nc\n", NULL, true},
    {"{\"status\":404,\"ms\":0,\"bytes\":0,\"values\":{\"n\":null,\"s\\\"t\":null},"
     "\"missing\":[\"n\"],\"error\":\"not-json: a\\tb\"}",
     NULL, "404\t0\t0\tu\tnot-json: a\\x09b\tn\ts\"t=null\n", NULL, true},
    {"{\"status\":null,\"ms\":5,\"bytes\":0,\"values\":{},\"missing\":[],\"error\":\"timeout: x\"}",
     NULL, "-\t5\t0\tu\ttimeout: x\tn\ts\"t\n", NULL, false},
    {NULL, "not put: \xc2\x9b\x1b[1m", "-\t-\t-\tu\tnot put: \\xc2\\x9b\\x1b[1m\tn\ts\"t\n",
     "{\"url\":\"u\",\"status\":null,\"ms\":null,\"bytes\":null,\"text\":null,\"values\":{},"
     "\"missing\":[],\"error\":\"not put: \\u009b\\u001B[1m\"}",
     false},
    /* what no server should say is no harm */
    {"{}", NULL, "-\t-\t-\tu\t-\tn\ts\"t\n", NULL, false},
    {"{\"status\":\"200\",\"ms\":1.5,\"values\":[1],\"missing\":{},\"error\":1}", NULL,
     "-\t-\t-\tu\t-\tn\ts\"t\n", NULL, false},
    {"{\"status\":200,\"missing\":[1,null],\"values\":{\"n\":[1,\"\t\"]}}", NULL,
     "-\t-\t-\tu\t-\tn=[1,\" \"]\ts\"t\n",
     "{\"status\":200,\"missing\":[1,null],\"values\":{\"n\":[1,\" \"]}}", true},
    /* a value with line breaks is a field still, and a line */
    {"{\"status\":200,\n\"values\":{\"n\":{\r\n\t\"a\": \"\xc2\x9b\"}}}", NULL,
     "200\t-\t-\tu\t-\tn={   \"a\": \"\\u009b\"}\ts\"t\n",
     "{\"status\":200, \"values\":{\"n\":{   \"a\": \"\\u009b\"}}}", true},
};

static char *
show(struct fetch_list *list, bool is_json, bool *ok)
{
	const struct fetch_form form = {.is_json = is_json, .name = names, .n_names = 2};
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	*ok = fetch_show(out, list, &form);
	fclose(out);
	return text;
}

static void
add_result(struct fetch_list *list, size_t i)
{
	add(list, "u");
	struct fetch_url *url = &list->url[list->n - 1];
	if (shown[i].result)
		url->result = strdup(shown[i].result);
	else
		fetch_url_fail(url, "%s", shown[i].error);
}

START_TEST(a_url_is_a_line)
{
	struct fetch_list list = {0};
	bool ok;

	add_result(&list, (size_t)_i);
	char *text = show(&list, false, &ok);
	ck_assert_str_eq(text, shown[_i].line);
	/* a status in JSON that cannot be read is none in a line */
	if (text[0] != '-' || !shown[_i].has_status)
		ck_assert_int_eq(ok, shown[_i].has_status);
	free(text);
	fetch_list_fini(&list);
}
END_TEST

START_TEST(json_is_handed_on)
{
	struct fetch_list list = {0};
	const char *json = shown[_i].json ? shown[_i].json : shown[_i].result;
	char want[1000];
	bool ok;

	add_result(&list, (size_t)_i);
	add_result(&list, 0);
	snprintf(want, sizeof(want), "{\"urls\":[\n%s,\n%s\n]}\n", json, shown[0].result);
	char *text = show(&list, true, &ok);
	ck_assert_str_eq(text, want);
	free(text);
	fetch_list_fini(&list);
}
END_TEST

/* Those behind an open one wait for it, so that the order is kept. */
START_TEST(the_order_is_that_of_the_urls)
{
	struct fetch_list list = {0};
	bool ok;

	add(&list, "a");
	add(&list, "b");
	add(&list, "c");
	fetch_url_fail(&list.url[1], "B");
	char *text = show(&list, false, &ok);
	ck_assert_str_eq(text, "");
	ck_assert(ok);
	free(text);
	fetch_url_fail(&list.url[0], "A");
	/* the first reason counts */
	fetch_url_fail(&list.url[1], "again");
	text = show(&list, false, &ok);
	ck_assert_str_eq(text, "-\t-\t-\ta\tA\tn\ts\"t\n-\t-\t-\tb\tB\tn\ts\"t\n");
	ck_assert(!ok);
	free(text);
	fetch_url_fail(&list.url[2], "C");
	text = show(&list, false, &ok);
	ck_assert_str_eq(text, "-\t-\t-\tc\tC\tn\ts\"t\n");
	free(text);
	text = show(&list, false, &ok);
	ck_assert_str_eq(text, "");
	free(text);
	fetch_list_fini(&list);
}
END_TEST

/* What has been shown is not kept, however many there are. */
START_TEST(what_is_shown_is_forgotten)
{
	struct fetch_list list = {0};
	bool ok;

	add(&list, "a");
	add(&list, "b");
	fetch_url_fail(&list.url[0], "A");
	free(show(&list, false, &ok));
	ck_assert_ptr_null(list.url[0].text);
	ck_assert_ptr_null(list.url[0].error);
	/* and is not open again, nor said to have failed */
	ck_assert(!fetch_url_is_open(&list.url[0]));
	fetch_url_fail(&list.url[0], "B");
	ck_assert_ptr_null(list.url[0].error);
	ck_assert(fetch_url_is_open(&list.url[1]));
	fetch_list_fini(&list);
}
END_TEST

START_TEST(too_many_urls_are_told)
{
	/* as if so many had been read before */
	struct fetch_list list = {.bytes = FETCH_LIST_BYTES_MAX};
	char why[200] = "";
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(write(fds[1], "a\n\nb\n", 5), 5);
	close(fds[1]);
	ck_assert(!fetch_list_read(&list, fds[0], why));
	ck_assert_str_eq(why, "line 3 is one too many; accepted: 64 MiB of URLs");
	ck_assert_uint_eq(list.n, 1);
	close(fds[0]);
	fetch_list_fini(&list);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("ctl fetch");
	TCase *tc = tcase_create("fetch");
	SRunner *runner = srunner_create(suite);

	tcase_add_loop_test(tc, each_line_is_a_url, 0, N(inputs));
	tcase_add_test(tc, a_job_has_what_is_open);
	tcase_add_loop_test(tc, jobs_have_no_more_than_they_may, 0, 20);
	tcase_add_test(tc, a_url_that_fits_nowhere_fails_alone);
	tcase_add_loop_test(tc, a_url_is_a_line, 0, N(shown));
	tcase_add_loop_test(tc, json_is_handed_on, 0, N(shown));
	tcase_add_test(tc, the_order_is_that_of_the_urls);
	tcase_add_test(tc, what_is_shown_is_forgotten);
	tcase_add_test(tc, too_many_urls_are_told);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
