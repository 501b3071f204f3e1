/*
 * changes.c - pages, histories and the log as JSON.
 */
#include "changes.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "http_client.h"

void
reader_open(struct reader *reader, struct daemon *d)
{
	*reader = (struct reader){.d = d, .asked = json_array(), .next = "0"};
}

void
reader_close(struct reader *reader)
{
	json_decref(reader->asked);
}

json_t *
changes_get(struct daemon *d, const char *target)
{
	struct http_conn c;
	struct http_answer a;
	json_t *json = NULL;
	char *request =
	    it_printf("GET %s HTTP/1.1\r\nHost: localhost:%u\r\n\r\n", target, daemon_port(d));

	if (http_try_open(&c, daemon_port(d))) {
		if (http_try_send(&c, request, strlen(request)) &&
		    http_try_read(&c, "GET", &a) == NULL) {
			ck_assert_msg(a.status == 200 || a.status == 503, "%s: %s%s", target,
				      a.head, a.body);
			if (a.status == 200)
				json = json_loadb(a.body, a.body_len, 0, NULL);
			http_answer_fini(&a);
		}
		http_close(&c);
	}
	free(request);
	return json;
}

void
reader_ask(struct reader *reader)
{
	char *target = it_printf(CHANGES "?since=%s&limit=40", reader->next);
	json_t *page = changes_get(reader->d, target);

	free(target);
	if (!page)
		return;
	json_array_extend(reader->asked, json_object_get(page, "changes"));
	const char *next = json_string_value(json_object_get(page, "next"));
	ck_assert_ptr_nonnull(next);
	snprintf(reader->next, sizeof(reader->next), "%s", next);
	json_decref(page);
}

json_int_t
reader_seq(const struct reader *reader)
{
	return strtoll(reader->next, NULL, 10);
}

json_int_t
changes_seq(const json_t *change)
{
	return json_integer_value(json_object_get(change, "seq"));
}

json_t *
changes_of_room(struct daemon *d)
{
	json_t *changes = json_array();
	json_int_t last = 0;
	bool more = true;

	while (more) {
		char *target =
		    it_printf(CHANGES_ROOM "/history?after=%lld&limit=200", (long long)last);
		json_t *page = changes_get(d, target), *message;
		size_t i;

		ck_assert_ptr_nonnull(page);
		json_array_foreach(json_object_get(page, "msgs"), i, message)
		{
			json_array_append(changes, json_object_get(message, "data"));
			last = changes_seq(message);
		}
		more = json_is_true(json_object_get(page, "more"));
		json_decref(page);
		free(target);
	}
	return changes;
}

bool
changes_room_has(struct daemon *d, size_t n)
{
	json_t *room = changes_of_room(d);
	const bool has = json_array_size(room) >= n;

	json_decref(room);
	return has;
}

json_t *
changes_truth(char *(*ask)(const char *sql))
{
	char *text = ask(
	    "select coalesce(json_agg(json_build_object('seq', seq, 'op', case op when 'I' then "
	    "'insert' when 'U' then 'update' when 'D' then 'delete' else 'truncate' end, 'id', "
	    "id, 'version', version) order by seq), '[]') from product_log");
	json_t *changes = json_loads(text, 0, NULL);

	ck_assert_ptr_nonnull(changes);
	free(text);
	return changes;
}

void
changes_same(const char *who, const json_t *got, const json_t *want)
{
	const size_t n = json_array_size(want);

	for (size_t i = 0; i < n && i < json_array_size(got); i++) {
		json_t *a = json_array_get(got, i), *b = json_array_get(want, i);

		if (!json_equal(a, b))
			ck_abort_msg("%s: change %zu is %s instead of %s", who, i, json_dumps(a, 0),
				     json_dumps(b, 0));
	}
	ck_assert_msg(json_array_size(got) == n, "%s has %zu changes of %zu", who,
		      json_array_size(got), n);
}

static bool
has_all(struct reader *reader, const json_t *want)
{
	const size_t n = json_array_size(want);

	reader_ask(reader);
	return n == 0 || reader_seq(reader) == changes_seq(json_array_get(want, n - 1));
}

void
changes_all(struct reader *reader, char *(*ask)(const char *sql))
{
	json_t *want = changes_truth(ask);

	WAIT_UNTIL(has_all(reader, want));
	WAIT_UNTIL(changes_room_has(reader->d, json_array_size(want)));
	json_t *room = changes_of_room(reader->d);
	changes_same("the reader", reader->asked, want);
	changes_same("the room", room, want);
	json_decref(want);
	json_decref(room);
}
