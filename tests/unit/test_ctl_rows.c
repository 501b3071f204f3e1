/* links: src/ctl/rows.c src/ctl/lines.c src/base/buffer.c -ljansson */
/*
 * test_ctl_rows.c - rows of CSV and NDJSON: what is sent of them, what is refused and where,
 * however the bytes come.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ctl/rows.h"

#define N(table) ((int)(sizeof(table) / sizeof((table)[0])))

/* An input that is as long as it likes to be. */
static int
file_of(const char *text, size_t len)
{
	int fd = memfd_create("rows", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	for (size_t done = 0; done < len;) {
		ssize_t n = write(fd, text + done, len - done);

		ck_assert_int_gt(n, 0);
		done += (size_t)n;
	}
	ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

/* All that comes of a text: "LINE:ROW" and "LINE!why", a line each, and "failed: why". */
static char *
read_all(enum rows_format format, const char *text)
{
	struct rows rows;
	unsigned long line = 0;
	size_t len = 0;
	char *out = NULL;
	FILE *f = open_memstream(&out, &len);
	int fd = file_of(text, strlen(text));
	enum rows_next next;

	rows_init(&rows, fd, format);
	do {
		next = rows_next(&rows, &line);
		if (next == ROWS_ROW) {
			size_t n = rows.row.len;

			/* what ends a row of CSV */
			if (format == ROWS_CSV) {
				ck_assert_uint_ge(n, 2);
				ck_assert_mem_eq(rows.row.data + n - 2, "\r\n", 2);
				n -= 2;
			}
			fprintf(f, "%lu:%.*s\n", line, (int)n, rows.row.data);
		} else if (next == ROWS_BAD) {
			fprintf(f, "%lu!%s\n", line, rows.why);
		} else if (next == ROWS_FAILED) {
			fprintf(f, "failed: %s\n", rows.why);
		}
	} while (next == ROWS_ROW || next == ROWS_BAD);
	fclose(f);
	if (next == ROWS_END)
		ck_assert_uint_eq(rows.bytes, strlen(text));
	rows_fini(&rows);
	close(fd);
	return out;
}

#define ACCEPTED "accepted are name and price, in any order; id and version are dropped"

static const struct {
	enum rows_format format;
	const char *in, *out;
} cases[] = {
    /* CSV */
    {ROWS_CSV, "name,price\nPen,1.50\n", "2:\"Pen\",\"1.50\"\n"},
    {ROWS_CSV, "name,price\r\nPen,1.50\r\n", "2:\"Pen\",\"1.50\"\n"},
    {ROWS_CSV, "name,price\nPen,1.50", "2:\"Pen\",\"1.50\"\n"},
    {ROWS_CSV, "\xef\xbb\xbfname,price\nPen,1", "2:\"Pen\",\"1\"\n"},
    {ROWS_CSV, "\"price\",\"name\"\n1,Pen\n", "2:\"Pen\",\"1\"\n"},
    {ROWS_CSV, "id,name,price,version\n7,Pen,1.5,12\n", "2:\"Pen\",\"1.5\"\n"},
    {ROWS_CSV, "name,price\n\n  \nPen,1\n\n", "4:\"Pen\",\"1\"\n"},
    {ROWS_CSV, "name,price\n\"a \"\"b\"\", c\",\"1\"\n", "2:\"a \"\"b\"\", c\",\"1\"\n"},
    {ROWS_CSV, "name,price\n\"two\nlines\",1\nPen,2\n",
     "2:\"two\nlines\",\"1\"\n4:\"Pen\",\"2\"\n"},
    {ROWS_CSV, "name,price\n,\n", "2:\"\",\"\"\n"},
    {ROWS_CSV, "name,price\n a , 1 \n", "2:\" a \",\" 1 \"\n"},
    {ROWS_CSV, "name,price\n", ""},
    {ROWS_CSV, "name,price", ""},
    /* one bad row costs only itself */
    {ROWS_CSV, "name,price\nPen\nInk,2\n",
     "2!has 1 field; the header line has 2\n3:\"Ink\",\"2\"\n"},
    {ROWS_CSV, "name,price\na,1,x\nInk,2\n",
     "2!has 3 fields; the header line has 2\n3:\"Ink\",\"2\"\n"},
    {ROWS_CSV, "name,price\n\"a\"b,1\nInk,2\n",
     "2!there is text behind a closing quote; a quote within a field is written twice\n"
     "3:\"Ink\",\"2\"\n"},
    {ROWS_CSV, "name,price\na\"b\",1\nInk,2\n",
     "2!a field with a quote in it has to be in quotes, and the quote written twice\n"
     "3:\"Ink\",\"2\"\n"},
    {ROWS_CSV, "name,price\n\xff,1\nInk,2\n", "2!is not UTF-8\n3:\"Ink\",\"2\"\n"},
    {ROWS_CSV, "name,price\n\"a,1\nInk,2\n", "2!a quote is never closed\n"},
    /* a header line that says something else */
    {ROWS_CSV, "", "failed: there is no header line; accepted: name,price\n"},
    {ROWS_CSV, "\n\n", "failed: there is no header line; accepted: name,price\n"},
    {ROWS_CSV, "Pen,1\n", "failed: the header line: there is no column Pen; " ACCEPTED "\n"},
    {ROWS_CSV, "name,price,colour\n",
     "failed: the header line: there is no column colour; " ACCEPTED "\n"},
    {ROWS_CSV, "name,version\n", "failed: the header line has no column price; " ACCEPTED "\n"},
    {ROWS_CSV, "price,id\n", "failed: the header line has no column name; " ACCEPTED "\n"},
    {ROWS_CSV, "name,price,name\n",
     "failed: the header line: a column is there twice; " ACCEPTED "\n"},
    {ROWS_CSV, "Name,price\n", "failed: the header line: there is no column Name; " ACCEPTED "\n"},
    /* NDJSON */
    {ROWS_NDJSON, "", ""},
    {ROWS_NDJSON, "\n\n", ""},
    {ROWS_NDJSON, "{\"name\":\"Pen\",\"price\":1.50}\n", "1:{\"name\":\"Pen\",\"price\":1.5}\n"},
    {ROWS_NDJSON, " {\"id\":7, \"name\":\"Pen\", \"price\":0.1, \"version\":9}",
     "1:{\"name\":\"Pen\",\"price\":0.1}\n"},
    {ROWS_NDJSON,
     "{\"name\":\"\\u00e9\\n\",\"price\":\"99999999.99\"}\r\n\n{\"price\":99999999.99}",
     "1:{\"name\":\"\xc3\xa9\\n\",\"price\":\"99999999.99\"}\n3:{\"price\":99999999.99}\n"},
    {ROWS_NDJSON, "{\"name\":\"\\u0000\"}", "1:{\"name\":\"\\u0000\"}\n"},
    /* the server knows better what members there are */
    {ROWS_NDJSON, "{\"name\":null,\"colour\":[true]}", "1:{\"name\":null,\"colour\":[true]}\n"},
    {ROWS_NDJSON, "[]\n{}", "1!is no object; accepted: an object on one line\n2:{}\n"},
    {ROWS_NDJSON, "{\"name\":\"\xff\"}\n{}", "1!is not UTF-8\n2:{}\n"},
};

START_TEST(rows_are_what_rfc4180_and_json_say)
{
	char *out = read_all(cases[_i].format, cases[_i].in);

	ck_assert_str_eq(out, cases[_i].out);
	free(out);
}
END_TEST

static const char *const no_json[] = {
    "{",       "x",   "{\"a\":1}{",          "{\"a\":1,\"a\":2}", "{\"price\":1e400}",
    "{'a':1}", "nul", "{\"a\":\"\\ud800\"}",
};

START_TEST(what_is_no_json_costs_only_its_line)
{
	char in[128];

	snprintf(in, sizeof(in), "%s\n{}\n", no_json[_i]);
	char *out = read_all(ROWS_NDJSON, in);
	ck_assert_msg(strncmp(out, "1!", 2) == 0, "%s", out);
	ck_assert_ptr_nonnull(strstr(out, "; accepted: an object on one line\n2:{}\n"));
	free(out);
}
END_TEST

/* A writer that takes its time: the same rows, wherever the bytes were cut. */
START_TEST(rows_do_not_depend_on_how_they_come)
{
	static const char text[] = "name,price\r\n\"a\r\nb\",1\r\nPen,2.50\r\n";
	int fds[2];

	for (size_t cut = 0; cut < sizeof(text); cut++) {
		struct rows rows;
		unsigned long line;

		ck_assert_int_eq(pipe(fds), 0);
		ck_assert_int_eq(write(fds[1], text, cut), (ssize_t)cut);
		rows_init(&rows, fds[0], ROWS_CSV);
		/* the rest comes when the first part has been read */
		if (cut < sizeof(text) - 1)
			ck_assert_int_eq(write(fds[1], text + cut, sizeof(text) - 1 - cut),
					 (ssize_t)(sizeof(text) - 1 - cut));
		close(fds[1]);
		ck_assert_int_eq(rows_next(&rows, &line), ROWS_ROW);
		ck_assert_uint_eq(line, 2);
		ck_assert_mem_eq(rows.row.data, "\"a\r\nb\",\"1\"\r\n", rows.row.len);
		ck_assert_int_eq(rows_next(&rows, &line), ROWS_ROW);
		ck_assert_uint_eq(line, 4);
		ck_assert_mem_eq(rows.row.data, "\"Pen\",\"2.50\"\r\n", rows.row.len);
		ck_assert_int_eq(rows_next(&rows, &line), ROWS_END);
		rows_fini(&rows);
		close(fds[0]);
	}
}
END_TEST

START_TEST(many_rows_cross_every_edge_of_the_reads)
{
	size_t len = 0;
	char *text = NULL;
	FILE *f = open_memstream(&text, &len);
	struct rows rows;
	unsigned long line;

	fputs("price,name\n", f);
	for (unsigned i = 0; i < 20000; i++)
		fprintf(f, "%u.25,%.*s\n", i, (int)(i % 50),
			"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
	fclose(f);
	int fd = file_of(text, len);
	rows_init(&rows, fd, ROWS_CSV);
	for (unsigned i = 0; i < 20000; i++) {
		char want[100];

		ck_assert_int_eq(rows_next(&rows, &line), ROWS_ROW);
		ck_assert_uint_eq(line, i + 2);
		snprintf(want, sizeof(want), "\"%.*s\",\"%u.25\"\r\n", (int)(i % 50),
			 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", i);
		ck_assert_uint_eq(rows.row.len, strlen(want));
		ck_assert_mem_eq(rows.row.data, want, rows.row.len);
	}
	ck_assert_int_eq(rows_next(&rows, &line), ROWS_END);
	ck_assert_uint_eq(rows.bytes, len);
	rows_fini(&rows);
	close(fd);
	free(text);
}
END_TEST

START_TEST(a_row_without_end_is_refused_in_bounded_memory)
{
	static const size_t size = 8u << 20;
	char *text = malloc(size);
	struct rows rows;
	unsigned long line;

	for (int format = 0; format < 2; format++) {
		memset(text, 'x', size);
		memcpy(text, "name,price\n\"", 12);
		text[20] = '\n';
		int fd = file_of(text, size);
		rows_init(&rows, fd, format ? ROWS_NDJSON : ROWS_CSV);
		enum rows_next next = rows_next(&rows, &line);
		while (next == ROWS_BAD)
			next = rows_next(&rows, &line);
		ck_assert_int_eq(next, ROWS_FAILED);
		ck_assert_ptr_nonnull(strstr(rows.why, "too long; accepted: 1048576 bytes"));
		ck_assert_int_eq(strstr(rows.why, "quote never closed?") != NULL, !format);
		ck_assert_uint_le(rows.data.cap, 4u << 20);
		rows_fini(&rows);
		close(fd);
	}
	free(text);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("ctl rows");
	TCase *tc = tcase_create("rows");
	SRunner *runner = srunner_create(suite);

	tcase_add_loop_test(tc, rows_are_what_rfc4180_and_json_say, 0, N(cases));
	tcase_add_loop_test(tc, what_is_no_json_costs_only_its_line, 0, N(no_json));
	tcase_add_test(tc, rows_do_not_depend_on_how_they_come);
	tcase_add_test(tc, many_rows_cross_every_edge_of_the_reads);
	tcase_add_test(tc, a_row_without_end_is_refused_in_bounded_memory);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
