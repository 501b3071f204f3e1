/* links: src/http/chars.c src/http/negotiate.c */
/*
 * test_negotiate.c - what clients accept, as RFC 9110 12 reads it.
 */
#include <check.h>
#include <string.h>

#include "http/negotiate.h"

#define N(table) ((int)(sizeof(table) / sizeof((table)[0])))

/* The values are the fields of that name, '\n' between two of them; NULL: none. */
static void
fill(struct request *request, enum http_field id, const char *values)
{
	/* in its place a field that the answers must not depend on */
	request->field[0] =
	    (struct request_field){FIELD_USER_AGENT, SPAN_LIT("User-Agent"), SPAN_LIT("json, *")};
	request->n_fields = 1;
	request->times[id] = 0;
	while (values) {
		const char *end = strchr(values, '\n');
		size_t len = end ? (size_t)(end - values) : strlen(values);

		request->field[request->n_fields++] =
		    (struct request_field){id, SPAN_LIT("Name"), span_from(values, len)};
		if (request->times[id]++ == 0)
			request->first[id] = (uint8_t)(request->n_fields - 1);
		values = end ? end + 1 : NULL;
	}
}

/* --- media types --- */

static const struct {
	const char *accept;
	const char *type;
	unsigned q;
	bool is_explicit;
} medias[] = {
    /* 12.5.1: without the field, anything goes */
    {NULL, "text/plain", 1000, false},
    {"*/*", "text/plain", 1000, false},
    {"text/*", "text/plain", 1000, false},
    {"text/plain", "text/plain", 1000, true},
    {"TEXT/Plain", "text/plain", 1000, true},
    {"text/html", "text/plain", 0, false},
    {"text/plai", "text/plain", 0, false},
    {"text/plaine", "text/plain", 0, false},
    {"tex/plain", "text/plain", 0, false},
    {"application/json", "application/problem+json", 0, false},
    /* the example of 12.5.1: the most specific range decides, wherever it stands */
    {"text/*;q=0.3, text/plain;q=0.7, text/plain;format=flowed, "
     "text/plain;format=fixed;q=0.4, */*;q=0.5",
     "text/plain", 700, true},
    {"text/*;q=0.3, text/plain;q=0.7, text/plain;format=flowed, "
     "text/plain;format=fixed;q=0.4, */*;q=0.5",
     "text/html", 300, false},
    {"text/*;q=0.3, text/plain;q=0.7, text/plain;format=flowed, "
     "text/plain;format=fixed;q=0.4, */*;q=0.5",
     "image/jpeg", 500, false},
    {"*/*;q=1, text/*;q=0.2", "text/plain", 200, false},
    {"text/plain;q=0.1, text/*;q=0.9, */*", "text/plain", 100, true},
    {"text/plain;q=0.1, text/plain;q=0.4, text/plain;q=0.2", "text/plain", 400, true},
    /* 12.4.2: weights */
    {"text/plain;q=0", "text/plain", 0, true},
    {"text/plain;q=0, */*", "text/plain", 0, true},
    {"text/plain;q=0.000", "text/plain", 0, true},
    {"text/plain;q=0.001", "text/plain", 1, true},
    {"text/plain;q=0.1", "text/plain", 100, true},
    {"text/plain;q=0.25", "text/plain", 250, true},
    {"text/plain;q=0.", "text/plain", 0, true},
    {"text/plain;q=1.", "text/plain", 1000, true},
    {"text/plain;q=1.000", "text/plain", 1000, true},
    {"text/plain;Q=0.5", "text/plain", 500, true},
    {"text/plain \t;\t q=0.5 ", "text/plain", 500, true},
    {"text/plain;;q=0.5;", "text/plain", 500, true},
    {"text/plain;q=0.5;q=0.9", "text/plain", 500, true},
    {"text/plain;q=0.5;level=1", "text/plain", 500, true},
    /* parameters (5.6.6): what we answer is UTF-8 and nothing else */
    {"text/plain;charset=utf-8", "text/plain", 1000, true},
    {"text/plain;charset=\"UTF-8\"", "text/plain", 1000, true},
    {"text/plain;charset=utf-8;q=0.5", "text/plain", 500, true},
    {"text/plain;charset=utf-8;q=0.5, text/plain;q=0.9", "text/plain", 500, true},
    {"text/plain;charset=iso-8859-1", "text/plain", 0, false},
    {"text/plain;charset=iso-8859-1, */*;q=0.1", "text/plain", 100, false},
    {"text/plain;format=flowed", "text/plain", 0, false},
    {"text/plain;x=\"a,b;q=0.1\\\"\", text/plain;q=0.8", "text/plain", 800, true},
    /* 5.3: several fields are one list */
    {"text/html\ntext/plain;q=0.5", "text/plain", 500, true},
    {"text/plain;q=0.5\n*/*", "text/plain", 500, true},
    {"*/*;q=0.9\n\ntext/plain;q=0.2", "text/plain", 200, true},
    /* 5.6.1: empty elements are nothing */
    {",, , text/plain;q=0.5 ,,", "text/plain", 500, true},
    /* malformed elements are skipped, the others count */
    {"text, text/plain;q=0.5", "text/plain", 500, true},
    {"*, */plain, text/plain;q=0.5", "text/plain", 500, true},
    {"/, text/, /plain, text//plain, text/plain;q=0.5", "text/plain", 500, true},
    {"text /plain, text/plain;q=0.5", "text/plain", 500, true},
    {"text/plain extra, text/plain;q=0.5", "text/plain", 500, true},
    {"text/plain;q, text/plain;q=0.5", "text/plain", 500, true},
    {"text/plain;=1, text/plain;q=0.5", "text/plain", 500, true},
    {"text/plain;q=, text/plain;q=0.5", "text/plain", 500, true},
    {"text/plain;q= 1, text/plain;q=0.5", "text/plain", 500, true},
    {"text/plain;q=\"1\", text/plain;q=0.5", "text/plain", 500, true},
    {"text/plain;q=.9, text/plain;q=0.5", "text/plain", 500, true},
    {"text/plain;q=0.9999, text/plain;q=0.5", "text/plain", 500, true},
    {"text/plain;q=1.001, text/plain;q=0.5", "text/plain", 500, true},
    {"text/plain;q=2, text/plain;q=0.5", "text/plain", 500, true},
    {"text/plain;q=-1, text/plain;q=0.5", "text/plain", 500, true},
    {"text/plain;q=0.5x, text/plain;q=0.5", "text/plain", 500, true},
    {"text/plain;q=00, text/plain;q=0.5", "text/plain", 500, true},
    {"text/plain;q=1.0000, text/plain;q=0.5", "text/plain", 500, true},
    {"text/plain;x=\"a, text/html", "text/plain", 1000, false},
    {"text/plain;x=\"a\\\n text/plain;q=0.5", "text/plain", 500, true},
    /* a list with nothing in it says nothing */
    {"", "text/plain", 1000, false},
    {" ,", "text/plain", 1000, false},
    {"rubbish", "text/plain", 1000, false},
};

START_TEST(rfc9110_12_5_1_accept)
{
	static struct request request;

	fill(&request, FIELD_ACCEPT, medias[_i].accept);
	struct quality quality = negotiate_media(&request, span_str(medias[_i].type));
	ck_assert_msg(quality.q == medias[_i].q && quality.is_explicit == medias[_i].is_explicit,
		      "%s: q %u explicit %d", medias[_i].accept, quality.q, quality.is_explicit);
}
END_TEST

/* --- the form of errors --- */

#define FIREFOX \
	"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"

static const struct {
	const char *accept;
	enum error_form text, problem; /* what becomes of either default */
} forms[] = {
    {NULL, ERROR_TEXT, ERROR_PROBLEM},
    {"*/*", ERROR_TEXT, ERROR_PROBLEM},
    {"", ERROR_TEXT, ERROR_PROBLEM},
    {FIREFOX, ERROR_TEXT, ERROR_PROBLEM},
    {"image/png", ERROR_TEXT, ERROR_PROBLEM},
    /* asked for by name */
    {"application/json", ERROR_PROBLEM, ERROR_PROBLEM},
    {"application/problem+json", ERROR_PROBLEM, ERROR_PROBLEM},
    {"APPLICATION/JSON", ERROR_PROBLEM, ERROR_PROBLEM},
    {"application/json; charset=utf-8", ERROR_PROBLEM, ERROR_PROBLEM},
    {"text/html\napplication/json", ERROR_PROBLEM, ERROR_PROBLEM},
    {"text/plain", ERROR_TEXT, ERROR_TEXT},
    {"text/plain;charset=utf-8", ERROR_TEXT, ERROR_TEXT},
    /* a page is looked for, and no JSON is taken */
    {"text/html", ERROR_TEXT, ERROR_TEXT},
    {"text/html, application/json;q=0.1", ERROR_PROBLEM, ERROR_PROBLEM},
    {"text/html, */*;q=0.1", ERROR_TEXT, ERROR_PROBLEM},
    {"text/html;q=0", ERROR_TEXT, ERROR_PROBLEM},
    /* a range is no name */
    {"application/*", ERROR_TEXT, ERROR_PROBLEM},
    {"text/*", ERROR_TEXT, ERROR_PROBLEM},
    {"application/xhtml+json, application/vnd.api+json", ERROR_TEXT, ERROR_PROBLEM},
    /* it has to be liked better than the default: axios, fetch, curl with two -H */
    {"application/json, text/plain, */*", ERROR_TEXT, ERROR_PROBLEM},
    {"application/json, */*", ERROR_TEXT, ERROR_PROBLEM},
    {"application/json, */*;q=0.9", ERROR_PROBLEM, ERROR_PROBLEM},
    {"application/json;q=0.8, text/plain;q=0.9", ERROR_TEXT, ERROR_TEXT},
    {"application/json;q=0.9, text/plain;q=0.8", ERROR_PROBLEM, ERROR_PROBLEM},
    {"application/json;q=0.5, text/*;q=0.6", ERROR_TEXT, ERROR_PROBLEM},
    {"application/json;q=0.5, application/*, text/plain;q=0.7", ERROR_TEXT, ERROR_PROBLEM},
    {"text/plain, */*", ERROR_TEXT, ERROR_PROBLEM},
    {"text/plain, */*;q=0.1", ERROR_TEXT, ERROR_TEXT},
    {"text/plain, application/json;q=0", ERROR_TEXT, ERROR_TEXT},
    /* no to the default is no yes to the other */
    {"application/json;q=0, application/problem+json;q=0", ERROR_TEXT, ERROR_PROBLEM},
    {"text/plain;q=0", ERROR_TEXT, ERROR_PROBLEM},
    {"text/plain;q=0, application/json;q=0", ERROR_TEXT, ERROR_PROBLEM},
    {"text/plain;q=0, application/json;q=0.001", ERROR_PROBLEM, ERROR_PROBLEM},
    /* what cannot be read asks for nothing */
    {"application/json;q=2", ERROR_TEXT, ERROR_PROBLEM},
    {"application/json;indent=4", ERROR_TEXT, ERROR_PROBLEM},
};

START_TEST(an_accept_asks_for_the_form_of_errors)
{
	static struct request request;

	fill(&request, FIELD_ACCEPT, forms[_i].accept);
	ck_assert_msg(negotiate_error_form(&request, ERROR_TEXT) == forms[_i].text, "text: %s",
		      forms[_i].accept);
	ck_assert_msg(negotiate_error_form(&request, ERROR_PROBLEM) == forms[_i].problem,
		      "problem: %s", forms[_i].accept);
}
END_TEST

/* --- gzip --- */

static const struct {
	const char *accept_encoding;
	bool takes;
} encodings[] = {
    /* any coding would be right without the field, but old clients are surprised */
    {NULL, false},
    {"", false},
    {"gzip", true},
    {"GZip", true},
    {"x-gzip", true},
    {"gzip, deflate, br, zstd", true},
    {"deflate, gzip;q=1.0, *;q=0.5", true},
    {"deflate\ngzip", true},
    {"br, deflate", false},
    {"gzipped, x-gzi, agzip", false},
    {"gzip;q=0", false},
    {"gzip;q=0.0, *", false},
    {"gzip;q=0, x-gzip", true},
    {"gzip;q=0.001", true},
    {"*", true},
    {"*;q=0", false},
    {"*;q=0, gzip", true},
    {"br;q=1.0, *;q=0.1", true},
    {"identity", false},
    {"identity, *", true},
    {"identity;q=0, *", true},
    {"identity;q=0", false},
    {"identity;q=0, gzip;q=0.1", true},
    {"identity, gzip;q=0.5", false},
    {"identity;q=0.5, gzip;q=0.5", true},
    {"identity;q=0.5, gzip;q=1.0", true},
    {"gzip;q=0.5, *;q=0.8", true},
    /* malformed ones are skipped */
    {"gzip;q=2", false},
    {"gzip;level=9", false},
    {"gzip;charset=utf-8", false},
    {"gzip deflate", false},
    {"gzip/1, \"gzip\"", false},
    {"gzip;q=x, x-gzip;q=0.5", true},
};

START_TEST(rfc9110_12_5_3_accept_encoding)
{
	static struct request request;

	fill(&request, FIELD_ACCEPT_ENCODING, encodings[_i].accept_encoding);
	ck_assert_msg(negotiate_gzip(&request) == encodings[_i].takes, "%s",
		      encodings[_i].accept_encoding);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("negotiate");
	TCase *tc = tcase_create("negotiate");
	SRunner *runner = srunner_create(suite);

	tcase_add_loop_test(tc, rfc9110_12_5_1_accept, 0, N(medias));
	tcase_add_loop_test(tc, an_accept_asks_for_the_form_of_errors, 0, N(forms));
	tcase_add_loop_test(tc, rfc9110_12_5_3_accept_encoding, 0, N(encodings));
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
