/* links: src/http/response.c src/base/buffer.c src/base/clock.c */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "http/response.h"

#define COMMON       "Server: plaza\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
#define HEAD(status) "HTTP/1.1 " status "\r\n" COMMON

static const struct {
	struct reply reply;
	enum response_connection connection;
	enum response_body body;
	const char *wire;
} cases[] = {
    {{.status = 200, .content_type = "text/plain", .body = {"Hello", 5}},
     RESPONSE_KEEP,
     RESPONSE_WHOLE,
     HEAD("200 OK") "Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nHello"},
    {{.status = 200, .content_type = "text/plain", .body = {"Hello", 5}},
     RESPONSE_KEEP_ALIVE,
     RESPONSE_HEAD_ONLY,
     HEAD("200 OK") "Content-Type: text/plain\r\nContent-Length: 5\r\n"
		    "Connection: keep-alive\r\n\r\n"},
    {{.status = 201, .body = {"", 0}, .fields = "Location: /a/1\r\nX: y\r\n"},
     RESPONSE_CLOSE,
     RESPONSE_WHOLE,
     HEAD("201 Created") "Content-Length: 0\r\nConnection: close\r\n"
			 "Location: /a/1\r\nX: y\r\n\r\n"},
    {{.status = 204, .body = {"x", 1}},
     RESPONSE_KEEP,
     RESPONSE_WHOLE,
     HEAD("204 No Content") "\r\n"},
    {{.status = 304, .body = {"x", 1}},
     RESPONSE_KEEP,
     RESPONSE_WHOLE,
     HEAD("304 Not Modified") "\r\n"},
    {{.status = 426, .fields = "Upgrade: websocket\r\n"},
     RESPONSE_KEEP,
     RESPONSE_WHOLE,
     HEAD("426 Upgrade Required") "Content-Length: 0\r\nConnection: upgrade\r\n"
				  "Upgrade: websocket\r\n\r\n"},
    {{.status = 426, .fields = "Upgrade: websocket\r\n"},
     RESPONSE_CLOSE,
     RESPONSE_WHOLE,
     HEAD("426 Upgrade Required") "Content-Length: 0\r\nConnection: close, upgrade\r\n"
				  "Upgrade: websocket\r\n\r\n"},
    {{.status = 299}, RESPONSE_KEEP, RESPONSE_WHOLE, HEAD("299 OK") "Content-Length: 0\r\n\r\n"},
    {{.status = 499}, RESPONSE_KEEP, RESPONSE_WHOLE, HEAD("499 Error") "Content-Length: 0\r\n\r\n"},
};

static void
is_text(const struct buffer *out, const char *text)
{
	ck_assert_msg(span_eq(buffer_span(out), span_str(text)), "%.*s", (int)out->len, out->data);
}

static bool
write_answer(struct buffer *out, const struct reply *reply, enum response_connection connection,
	     enum response_body body)
{
	const struct response_head head = {connection, body, SPAN_LIT(COMMON), {NULL, 0}};

	return response_write(out, reply, &head);
}

START_TEST(pieces_are_chunks_or_go_to_the_end)
{
	const struct reply reply = {.status = 200, .content_type = "text/plain", .body = {"x", 1}};
	struct buffer out;

	buffer_init(&out);
	ck_assert(write_answer(&out, &reply, RESPONSE_KEEP, RESPONSE_CHUNKS));
	ck_assert(response_write_chunk(&out, SPAN_LIT("nineteen bytes here")));
	ck_assert(response_write_last_chunk(&out));
	is_text(&out, HEAD("200 OK") "Content-Type: text/plain\r\n"
				     "Transfer-Encoding: chunked\r\n\r\n"
				     "13\r\nnineteen bytes here\r\n0\r\n\r\n");
	out.len = 0;
	ck_assert(write_answer(&out, &reply, RESPONSE_CLOSE, RESPONSE_TO_END));
	is_text(&out, HEAD("200 OK") "Content-Type: text/plain\r\nConnection: close\r\n\r\n");
	buffer_fini(&out);
}
END_TEST

START_TEST(test_write)
{
	struct buffer out = {0};

	/* an answer goes behind what is there, also when the buffer has to grow for it */
	ck_assert(buffer_append(&out, "before", 6, 100));
	ck_assert(write_answer(&out, &cases[_i].reply, cases[_i].connection, cases[_i].body));
	ck_assert_uint_eq(out.len, 6 + strlen(cases[_i].wire));
	ck_assert_mem_eq(out.data, "before", 6);
	ck_assert_mem_eq(out.data + 6, cases[_i].wire, out.len - 6);
	buffer_fini(&out);
}
END_TEST

START_TEST(further_fields_stand_before_those_of_the_handler)
{
	const struct reply reply = {.status = 200, .body = {"x", 1}, .fields = "B: 2\r\n"};
	const struct response_head head = {.connection = RESPONSE_CLOSE,
					   .body = RESPONSE_WHOLE,
					   .common = SPAN_LIT(COMMON),
					   .fields = SPAN_LIT("A: 1\r\nVary: Origin\r\n")};
	struct buffer out = {0};

	ck_assert(response_write(&out, &reply, &head));
	is_text(&out, HEAD("200 OK") "Content-Length: 1\r\nConnection: close\r\n"
				     "A: 1\r\nVary: Origin\r\nB: 2\r\n\r\nx");
	buffer_fini(&out);
}
END_TEST

/* RFC 9110 6.6.1: Date; 10.2.4: Server */
START_TEST(common_lines_are_made_once_a_second)
{
	struct response_common common = {0};
	uint64_t now_us = clock_monotonic_us();
	struct span lines = response_common(&common, true, now_us);
	static const char start[] = "X-Content-Type-Options: nosniff\r\nServer: plaza\r\nDate: ";

	ck_assert_uint_eq(lines.len, sizeof(start) - 1 + 29 + 2);
	ck_assert_mem_eq(lines.ptr, start, sizeof(start) - 1);
	ck_assert_mem_eq(lines.ptr + lines.len - 5, "GMT\r\n", 5);
	/* it stands until the second is over */
	common.text[sizeof(start) - 1] = 'x';
	lines = response_common(&common, true, common.until_us - 1);
	ck_assert_int_eq(lines.ptr[sizeof(start) - 1], 'x');
	lines = response_common(&common, true, common.until_us);
	ck_assert_int_ne(lines.ptr[sizeof(start) - 1], 'x');
	/* http.server_header = off */
	common = (struct response_common){0};
	lines = response_common(&common, false, now_us);
	ck_assert_ptr_null(strstr(common.text, "Server"));
	ck_assert_mem_eq(lines.ptr, "X-Content-Type-Options: nosniff\r\nDate: ", 39);
}
END_TEST

START_TEST(test_big_body)
{
	size_t len = 3 << 20;
	char *body = malloc(len);
	struct buffer out = {0};
	struct reply reply = {.status = 200, .body = {body, len}};
	const char *head = HEAD("200 OK") "Content-Length: 3145728\r\n\r\n";

	ck_assert_ptr_nonnull(body);
	memset(body, 'x', len);
	ck_assert(write_answer(&out, &reply, RESPONSE_KEEP, RESPONSE_WHOLE));
	ck_assert_uint_eq(out.len, strlen(head) + len);
	ck_assert_mem_eq(out.data, head, strlen(head));
	ck_assert_mem_eq(out.data + strlen(head), body, len);
	buffer_fini(&out);
	free(body);
}
END_TEST

START_TEST(test_no_memory)
{
	struct buffer out = {0};
	/* never read: the room for it is asked for first */
	struct reply reply = {.status = 200, .body = {"", SIZE_MAX / 2}};

	ck_assert(!write_answer(&out, &reply, RESPONSE_KEEP, RESPONSE_WHOLE));
	ck_assert_uint_eq(out.len, 0);
	reply.body.len = SIZE_MAX;
	ck_assert(!write_answer(&out, &reply, RESPONSE_KEEP, RESPONSE_WHOLE));
	buffer_fini(&out);
}
END_TEST

START_TEST(test_continue)
{
	struct buffer out = {0};

	ck_assert(response_write_continue(&out));
	ck_assert_uint_eq(out.len, 25);
	ck_assert_mem_eq(out.data, "HTTP/1.1 100 Continue\r\n\r\n", 25);
	buffer_fini(&out);
}
END_TEST

START_TEST(test_phrase)
{
	ck_assert_str_eq(response_phrase(413), "Content Too Large");
	ck_assert_str_eq(response_phrase(299), "OK");
	ck_assert_str_eq(response_phrase(599), "Error");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("response");
	TCase *tc = tcase_create("response");
	SRunner *runner = srunner_create(suite);

	tcase_add_loop_test(tc, test_write, 0, (int)(sizeof(cases) / sizeof(cases[0])));
	tcase_add_test(tc, pieces_are_chunks_or_go_to_the_end);
	tcase_add_test(tc, further_fields_stand_before_those_of_the_handler);
	tcase_add_test(tc, common_lines_are_made_once_a_second);
	tcase_add_test(tc, test_big_body);
	tcase_add_test(tc, test_no_memory);
	tcase_add_test(tc, test_continue);
	tcase_add_test(tc, test_phrase);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
