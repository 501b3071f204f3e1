/*
 * command.c - the fields of each command. What a client publishes as JSON stays as it wrote it,
 * without the white space: a number keeps its digits, an object its order. Called by: session.c.
 */
#include "hub/command.h"

#include <stdio.h>
#include <string.h>

#include "http/json_text.h"
#include "hub/position.h"

const char *
command_code_name(enum command_code code)
{
	static const char *const names[] = {
	    [CODE_BAD_REQUEST] = "bad_request",
	    [CODE_UNKNOWN_TYPE] = "unknown_type",
	    [CODE_BAD_ROOM] = "bad_room",
	    [CODE_NOT_JOINED] = "not_joined",
	    [CODE_ALREADY_JOINED] = "already_joined",
	    [CODE_DENIED] = "denied",
	    [CODE_TOO_BIG] = "too_big",
	    [CODE_RATE] = "rate",
	    [CODE_LIMIT] = "limit",
	    [CODE_NO_HISTORY] = "no_history",
	    [CODE_UNAVAILABLE] = "unavailable",
	    [CODE_INTERNAL] = "internal",
	};

	return names[code];
}

static bool
refuse(struct command_error *error, enum command_code code, const char *text)
{
	error->code = code;
	snprintf(error->text, sizeof(error->text), "%s", text);
	return false;
}

static bool
refuse_field(struct command_error *error, const char *text)
{
	return refuse(error, CODE_BAD_REQUEST, text);
}

/* ---- values ---- */

static struct span
string_of(const json_t *json)
{
	return span_from(json_string_value(json), json_string_length(json));
}

/* A whole number from 0 to `max`. */
static bool
read_number(const json_t *json, uint64_t max, uint64_t *number)
{
	double value = json_real_value(json);

	/* in the affirmative, or NaN would do */
	if (!json_is_real(json) || !(value >= 0 && value <= (double)max))
		return false;
	*number = (uint64_t)value;
	return (double)*number == value;
}

/* One of n words. */
static bool
read_word(const json_t *json, const char *const *words, size_t n, size_t *which)
{
	if (!json_is_string(json))
		return false;
	for (*which = 0; *which < n; ++*which) {
		if (span_eq(string_of(json), span_str(words[*which])))
			return true;
	}
	return false;
}

/* A string that people and programs are called by. */
static bool
read_label(const json_t *json, size_t max, struct span *label)
{
	if (!json_is_string(json))
		return false;
	*label = string_of(json);
	for (size_t i = 0; i < label->len; i++) {
		unsigned char c = (unsigned char)label->ptr[i];

		if (c < ' ' || c == 0x7f)
			return false;
	}
	return label->len > 0 && label->len <= max;
}

/* ---- a value's own text ---- */

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static const char *
skip_space(const char *p)
{
	while (is_space(*p))
		p++;
	return p;
}

/* Behind the string that begins at `p`. */
static const char *
skip_string(const char *p)
{
	for (p++; *p != '"'; p++) {
		if (*p == '\\')
			p++;
	}
	return p + 1;
}

/* Behind the value that begins at `p` and is a member of an object. */
static const char *
skip_value(const char *p)
{
	for (size_t depth = 0;; p++) {
		switch (*p) {
		case '"': p = skip_string(p) - 1; break;
		case '[':
		case '{': depth++; break;
		case ',':
			if (depth == 0)
				return p;
			break;
		case ']':
		case '}':
			if (depth == 0)
				return p;
			depth--;
			break;
		default: break;
		}
	}
}

/*
 * The text of an object's member of this name, with the space behind it. jansson has read the text,
 * so it is JSON, and it keeps the members in their order: how a key was escaped does not matter.
 */
static struct span
member_text(struct span text, json_t *object, const char *name)
{
	const char *p = skip_space(text.ptr) + 1, *end;

	for (void *it = json_object_iter(object);; it = json_object_iter_next(object, it)) {
		p = skip_space(skip_string(skip_space(p))); /* the colon */
		p = skip_space(p + 1);
		end = skip_value(p);
		if (strcmp(json_object_iter_key(it), name) == 0)
			return span_from(p, (size_t)(end - p));
		p = end + 1;
	}
}

/* Without the space between its parts. False: out of memory. */
static bool
compact(struct command *command, struct span text, struct span *out)
{
	const char *p = text.ptr, *end = text.ptr + text.len, *from;

	while (p < end && !is_space(*p))
		p = *p == '"' ? skip_string(p) : p + 1;
	if (p == end) {
		*out = text;
		return true;
	}
	if (!buffer_append(&command->compact, text.ptr, (size_t)(p - text.ptr), SIZE_MAX))
		return false;
	while (p < end) {
		while (p < end && is_space(*p))
			p++;
		from = p;
		while (p < end && !is_space(*p))
			p = *p == '"' ? skip_string(p) : p + 1;
		if (!buffer_append(&command->compact, from, (size_t)(p - from), SIZE_MAX))
			return false;
	}
	*out = buffer_span(&command->compact);
	return true;
}

static bool
read_text(struct command *command, struct span text, const char *name, struct span *out,
	  struct command_error *error)
{
	if (compact(command, member_text(text, command->json, name), out))
		return true;
	return refuse(error, CODE_INTERNAL, "out of memory");
}

/* ---- commands ---- */

static const json_t *
field(const struct command *command, const char *name)
{
	return json_object_get(command->json, name);
}

static bool
read_since(const json_t *since, struct join_wish *from)
{
	const json_t *epoch = json_object_get(since, "epoch");

	from->from = JOIN_SINCE;
	return json_is_string(epoch) && position_read_epoch(string_of(epoch), &from->since_epoch) &&
	       read_number(json_object_get(since, "seq"), POSITION_NUMBER_MAX, &from->since_seq);
}

static bool
read_join(struct command *command, struct command_error *error)
{
	static const char *const slows[] = {"close", "skip"};
	static const char *const press[] = {"none", "count", "diff"};
	const json_t *since = field(command, "since"), *last = field(command, "last");
	const json_t *name = field(command, "name");
	const json_t *slow = field(command, "slow"), *pres = field(command, "pres");
	size_t which;

	if (last) {
		command->join.from.from = JOIN_LAST;
		if (!read_number(last, POSITION_NUMBER_MAX, &command->join.from.last))
			return refuse_field(error, "last is a whole number: of messages");
	}
	/* it wins over `last` */
	if (since && !read_since(since, &command->join.from))
		return refuse_field(error, "since is {\"epoch\":\"<hexadecimal digits>\",\"seq\":"
					   "<whole number>}, as `welcome` and `ok` say them");
	if (name && !read_label(name, CHAT_LOG_NAME_MAX, &command->join.name))
		return refuse_field(error, "name is a string of 1 to 64 bytes, without control "
					   "characters");
	if (slow) {
		if (!read_word(slow, slows, 2, &which))
			return refuse_field(error, "slow is \"close\" or \"skip\"");
		command->join.slow = which == 0 ? SLOW_CLOSE : SLOW_SKIP;
	}
	if (pres) {
		if (!read_word(pres, press, 3, &which))
			return refuse_field(error, "pres is \"none\", \"count\" or \"diff\"");
		command->join.pres = (enum command_pres)which;
	}
	return true;
}

static bool
read_pub(struct command *command, struct span text, struct command_error *error)
{
	const json_t *data = field(command, "data"), *cid = field(command, "cid");

	if (cid && !read_label(cid, CHAT_LOG_ID_MAX, &command->pub.cid))
		return refuse_field(error, "cid is a string of 1 to 64 bytes, without control "
					   "characters");
	if (!data)
		return refuse_field(error, "data is missing; it is any JSON value");
	if (json_is_string(data)) {
		command->pub.kind = LOG_TEXT;
		command->pub.data = string_of(data);
		return true;
	}
	command->pub.kind = LOG_JSON;
	return read_text(command, text, "data", &command->pub.data, error);
}

static bool
read_history(struct command *command, struct command_error *error)
{
	const json_t *before = field(command, "before"), *after = field(command, "after");
	const json_t *limit = field(command, "limit");
	struct history_wish *wish = &command->history;

	wish->limit = HISTORY_LIMIT;
	if (before && after)
		return refuse_field(error, "before or after is accepted, not both");
	if (before)
		wish->from = HISTORY_BEFORE;
	else if (after)
		wish->from = HISTORY_AFTER;
	if (before && !read_number(before, POSITION_NUMBER_MAX, &wish->seq))
		return refuse_field(error, "before is a whole number: a seq");
	if (after && !read_number(after, POSITION_NUMBER_MAX, &wish->seq))
		return refuse_field(error, "after is a whole number: a seq");
	if (limit && (!read_number(limit, HISTORY_LIMIT_MAX, &wish->limit) || wish->limit == 0))
		return refuse_field(error, "limit is a whole number from 1 to 200");
	return true;
}

static bool
read_presence(struct command *command, struct command_error *error)
{
	const json_t *offset = field(command, "offset"), *limit = field(command, "limit");

	command->presence.limit = COMMAND_MEMBERS;
	if (offset && !read_number(offset, POSITION_NUMBER_MAX, &command->presence.offset))
		return refuse_field(error, "offset is a whole number: of members to pass over");
	if (limit && (!read_number(limit, COMMAND_MEMBERS_MAX, &command->presence.limit) ||
		      command->presence.limit == 0))
		return refuse_field(error, "limit is a whole number from 1 to 200");
	return true;
}

static bool
read_ping(struct command *command, struct span text, struct command_error *error)
{
	if (!field(command, "x"))
		return true;
	if (!read_text(command, text, "x", &command->echo, error))
		return false;
	if (command->echo.len > COMMAND_ECHO_MAX)
		return refuse_field(error, "x is a JSON value of at most 1024 bytes");
	return true;
}

static bool
read_room(struct command *command, struct command_error *error)
{
	const json_t *room = field(command, "room");

	if (!json_is_string(room))
		return refuse_field(error, "room is missing, or not a string; it is a room's name");
	command->room = string_of(room);
	if (!room_name_valid(command->room))
		return refuse(error, CODE_BAD_ROOM,
			      "a room's name is 1 to 64 of A-Z a-z 0-9 . _ - and not . or ..");
	return true;
}

static bool
read_type(struct command *command, struct command_error *error)
{
	static const char *const types[] = {"join", "pub", "history", "presence", "leave", "ping"};
	static const char accepted[] =
	    "t is \"join\", \"pub\", \"history\", \"presence\", \"leave\" or \"ping\"";
	const json_t *type = field(command, "t");
	size_t which;

	if (!json_is_string(type))
		return refuse_field(error, accepted);
	if (!read_word(type, types, 6, &which))
		return refuse(error, CODE_UNKNOWN_TYPE, accepted);
	command->type = (enum command_type)which;
	return true;
}

static bool
read_id(struct command *command, struct command_error *error)
{
	const json_t *id = field(command, "id");
	uint64_t number;

	if (!id)
		return true;
	if (!read_number(id, UINT32_MAX, &number))
		return refuse_field(error, "id is a whole number from 0 to 4294967295");
	command->has_id = true;
	command->id = (uint32_t)number;
	return true;
}

bool
command_read(struct command *command, struct span text, size_t max, struct command_error *error)
{
	/* U+0000 can be said: a message is bytes with a length */
	const struct json_text_rules rules = {.what = "command", .max = max, .allows_nul = true};
	struct json_text_error je;

	*command = (struct command){.json = json_text_load(text, &rules, &je)};
	if (!command->json)
		return refuse(error, je.status == 503 ? CODE_INTERNAL : CODE_BAD_REQUEST,
			      je.detail);
	if (!json_is_object(command->json))
		return refuse_field(error, "a command is a JSON object, {\"t\":\"ping\"}");
	if (!read_id(command, error) || !read_type(command, error) ||
	    (command->type != COMMAND_PING && !read_room(command, error)))
		return false;
	switch (command->type) {
	case COMMAND_JOIN: return read_join(command, error);
	case COMMAND_PUB: return read_pub(command, text, error);
	case COMMAND_HISTORY: return read_history(command, error);
	case COMMAND_PRESENCE: return read_presence(command, error);
	case COMMAND_LEAVE: return true;
	case COMMAND_PING: return read_ping(command, text, error);
	}
	return false;
}

void
command_fini(struct command *command)
{
	json_decref(command->json);
	buffer_fini(&command->compact);
	command->json = NULL;
}
