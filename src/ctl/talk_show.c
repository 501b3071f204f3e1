/*
 * talk_show.c - what plazactl chat shows of a room. See talk_show.h.
 */
#include "ctl/talk_show.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/span.h"
#include "ctl/lines.h"

/* so many are named; of the others there is their number */
#define NAMES_MAX 20

static struct span
text_of(const json_t *string)
{
	return span_from(json_string_value(string), json_string_length(string));
}

/* --- lines --- */

/* Of another day with its date. */
static void
put_time(FILE *out, int64_t ms)
{
	time_t now = time(NULL), then = ms < 0 ? now : (time_t)(ms / 1000);
	struct tm tm_now, tm_then;
	char text[64];

	if (!localtime_r(&now, &tm_now) || !localtime_r(&then, &tm_then))
		return;
	bool is_today = tm_now.tm_year == tm_then.tm_year && tm_now.tm_yday == tm_then.tm_yday;
	if (strftime(text, sizeof(text), is_today ? "%H:%M:%S " : "%Y-%m-%d %H:%M:%S ", &tm_then))
		fputs(text, out);
}

/* Where a note goes, with its beginning. */
static FILE *
begin_note(const struct talk_view *view)
{
	if (!view->is_terminal) {
		fflush(view->out);
		fputs("plazactl: ", view->notes);
		return view->notes;
	}
	put_time(view->out, -1);
	fputs("-- ", view->out);
	return view->out;
}

void
talk_show_note(const struct talk_view *view, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	int n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	line_show(begin_note(view), span_from(text, (size_t)n), false);
	free(text);
}

/* --- messages --- */

static int
base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* The caller frees; what is no base64 ends it. NULL on out-of-memory. */
static char *
base64_decode(struct span text, size_t *len)
{
	char *out = malloc(text.len / 4 * 3 + 3);
	uint32_t bits = 0;
	unsigned n_bits = 0;

	*len = 0;
	for (size_t i = 0; out && i < text.len && base64_digit(text.ptr[i]) >= 0; i++) {
		bits = bits << 6 | (uint32_t)base64_digit(text.ptr[i]);
		n_bits += 6;
		if (n_bits >= 8) {
			n_bits -= 8;
			out[(*len)++] = (char)(bits >> n_bits & 0xff);
		}
	}
	return out;
}

static void
show_data(FILE *out, const json_t *message)
{
	const json_t *data = json_object_get(message, "data");
	const json_t *b64 = json_object_get(message, "b64");

	if (json_is_string(data)) {
		line_show(out, text_of(data), false);
	} else if (data) {
		char *text = json_dumps(data, JSON_COMPACT | JSON_ENCODE_ANY);

		line_show(out, span_str(text ? text : ""), false);
		free(text);
	} else {
		size_t len = 0;
		char *bytes = base64_decode(text_of(b64), &len);

		line_show(out, span_from(bytes, len), true);
		free(bytes);
	}
}

void
talk_show_message(const struct talk_view *view, const json_t *message)
{
	if (view->is_terminal) {
		const json_t *name = json_object_get(message, "name");
		const json_t *from = json_object_get(message, "from");

		put_time(view->out, json_integer_value(json_object_get(message, "ts")));
		if (json_is_string(name) || json_is_string(from))
			line_put(view->out, text_of(json_is_string(name) ? name : from));
		else
			fputs("(http)", view->out);
		fputs(": ", view->out);
	}
	show_data(view->out, message);
}

/* --- members --- */

static void
put_member(FILE *out, const json_t *member)
{
	const json_t *name = json_object_get(member, "name");

	line_put(out, text_of(json_is_string(name) ? name : json_object_get(member, "conn")));
}

static void
put_members(FILE *out, const json_t *members)
{
	size_t n = json_array_size(members);

	for (size_t i = 0; i < n && i < NAMES_MAX; i++) {
		if (i)
			fputs(", ", out);
		put_member(out, json_array_get(members, i));
	}
	if (n > NAMES_MAX)
		fprintf(out, " and %zu more", n - NAMES_MAX);
}

static json_int_t
count_of(const json_t *event)
{
	return json_integer_value(json_object_get(event, "count"));
}

void
talk_show_members(const struct talk_view *view, const json_t *answer)
{
	const json_t *members = json_object_get(answer, "members");
	FILE *out = begin_note(view);

	fprintf(out, "%" JSON_INTEGER_FORMAT " here", count_of(answer));
	if (json_array_size(members)) {
		fputs(": ", out);
		put_members(out, members);
	}
	if (json_is_true(json_object_get(answer, "more")))
		fputs(" and others", out);
	putc('\n', out);
}

static void
show_movement(const struct talk_view *view, const json_t *members, const char *what,
	      json_int_t count)
{
	if (json_array_size(members) == 0)
		return;
	FILE *out = begin_note(view);
	put_members(out, members);
	fprintf(out, " %s, %" JSON_INTEGER_FORMAT " here\n", what, count);
}

void
talk_show_presence(const struct talk_view *view, const json_t *event)
{
	const json_t *join = json_object_get(event, "join");
	const json_t *leave = json_object_get(event, "leave");
	json_int_t count = count_of(event);

	if (json_is_true(json_object_get(event, "all"))) {
		FILE *out = begin_note(view);

		fprintf(out, "%" JSON_INTEGER_FORMAT " here: ", count);
		put_members(out, join);
		putc('\n', out);
	} else if (!join && !leave) {
		talk_show_note(view, "%" JSON_INTEGER_FORMAT " here", count);
	} else {
		show_movement(view, leave, "left", count);
		show_movement(view, join, "came", count);
	}
}

/* --- what is missing --- */

static const char *
gap_reason(const char *why)
{
	static const struct {
		const char *why, *text;
	} reasons[] = {
	    {"slow", "this client reads too slowly; /history may have them"},
	    {"trimmed", "they are not kept any more"},
	    {"lag", "the server was too busy; /history may have them"},
	    {"epoch", "the room has begun anew"},
	};

	for (size_t i = 0; why && i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		if (strcmp(why, reasons[i].why) == 0)
			return reasons[i].text;
	}
	return "no reason was told";
}

void
talk_show_gap(const struct talk_view *view, const json_t *gap)
{
	json_int_t from = json_integer_value(json_object_get(gap, "from"));
	json_int_t to = json_integer_value(json_object_get(gap, "to"));
	const char *why = json_string_value(json_object_get(gap, "why"));

	if (from <= to && from > 0)
		talk_show_note(view,
			       "messages missing: %" JSON_INTEGER_FORMAT " (%" JSON_INTEGER_FORMAT
			       " to %" JSON_INTEGER_FORMAT "); %s",
			       to - from + 1, from, to, gap_reason(why));
	else
		talk_show_note(view, "messages may be missing; %s", gap_reason(why));
}
