/* links: src/hub/command.c src/hub/command_quick.c src/hub/position.c src/hub/room_name.c
 * src/hub/wire.c src/hub/frame.c src/http/json_text.c src/http/chars.c src/base/buffer.c
 * src/base/log.c src/base/clock.c -ljansson -lz */
/*
 * fuzz_command.c - commands of chat.v1.json: nothing is read that is not there, what is accepted
 * keeps the bounds that it promises, what is published comes out as the JSON that went in, and what
 * the quick reader takes means what jansson makes of it.
 *
 *	clang -g -O1 -std=c11 -D_GNU_SOURCE -Isrc -fsanitize=fuzzer,address,undefined \
 *		-fno-sanitize-recover=all -o fuzz_command tests/fuzz/fuzz_command.c \
 *		src/hub/{command,command_quick,position,room_name,wire,frame}.c
 *src/http/{json_text,chars}.c \ src/base/{buffer,log,clock}.c -ljansson -lz
 *	./fuzz_command -max_len=4096 -dict=tests/fuzz/command.dict tests/fuzz/corpus/command
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "hub/command.h"
#include "hub/command_quick.h"
#include "hub/frame.h"
#include "hub/position.h"
#include "hub/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX 65536

static void
check(bool holds)
{
	if (!holds)
		abort();
}

static bool
is_utf8(struct span text)
{
	return frame_utf8_valid((const unsigned char *)text.ptr, text.len);
}

/* What a JSON client hears of it is JSON, and has the value that was sent. */
static void
check_published(const struct command *command)
{
	const size_t flags = JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL | JSON_REJECT_DUPLICATES;
	const struct log_record record = {
	    .seq = 1, .ts_ms = 1, .kind = command->pub.kind, .len = command->pub.data.len};
	const struct wire_message message = {
	    .room = command->room,
	    .record = &record,
	    .payload = (const unsigned char *)command->pub.data.ptr,
	};
	struct buffer out = {0};

	check(wire_json(&out, &message));
	json_t *event = json_loadb(out.data, out.len, flags, NULL);
	check(event != NULL);
	check(json_equal(json_object_get(event, "data"), json_object_get(command->json, "data")));
	json_decref(event);
	/* an event of text/event-stream must not have a line's end in it */
	check(!memchr(out.data, '\n', out.len) && !memchr(out.data, '\r', out.len));
	buffer_fini(&out);
	check(is_utf8(command->pub.data));
	check(command->pub.kind == LOG_TEXT || command->pub.kind == LOG_JSON);
	check(command->pub.kind == LOG_TEXT || command->pub.data.ptr[0] != '"');
	check(command->pub.cid.len <= CHAT_LOG_ID_MAX && is_utf8(command->pub.cid));
}

static void
check_command(const struct command *command)
{
	check(command->type == COMMAND_PING || room_name_valid(command->room));
	switch (command->type) {
	case COMMAND_JOIN:
		check(command->join.name.len <= CHAT_LOG_NAME_MAX && is_utf8(command->join.name));
		check(command->join.from.last <= POSITION_NUMBER_MAX);
		check(command->join.from.since_seq <= POSITION_NUMBER_MAX);
		break;
	case COMMAND_PUB: check_published(command); break;
	case COMMAND_HISTORY:
		check(command->history.seq <= POSITION_NUMBER_MAX);
		check(command->history.limit >= 1 && command->history.limit <= HISTORY_LIMIT_MAX);
		break;
	case COMMAND_PRESENCE:
		check(command->presence.limit >= 1 &&
		      command->presence.limit <= COMMAND_MEMBERS_MAX);
		break;
	case COMMAND_LEAVE: break;
	case COMMAND_PING:
		check(command->echo.len <= COMMAND_ECHO_MAX && is_utf8(command->echo));
		break;
	}
}

/* What the quick reader takes is what jansson makes of it; what it leaves, it leaves alone. */
static void
check_quick(struct span text, bool is_read, const struct command *read)
{
	struct command quick, before;

	memset(&quick, 0x5a, sizeof(quick));
	memcpy(&before, &quick, sizeof(quick));
	if (!command_read_quick(&quick, text, MAX)) {
		check(memcmp(&quick, &before, sizeof(quick)) == 0);
		return;
	}
	check(is_read && read->type == COMMAND_PUB && quick.type == COMMAND_PUB);
	check(quick.has_id == read->has_id && quick.id == read->id);
	check(span_eq(quick.room, read->room));
	check(quick.pub.kind == read->pub.kind && span_eq(quick.pub.data, read->pub.data));
	check(span_eq(quick.pub.cid, read->pub.cid));
	check(!quick.json && !quick.compact.data);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct span text = span_from((const char *)data, size);
	struct command command;
	struct command_error error;
	bool is_read = command_read(&command, text, MAX, &error);

	check_quick(text, is_read, &command);
	if (is_read) {
		check_command(&command);
	} else {
		check(strlen(error.text) > 0 && strlen(command_code_name(error.code)) > 0);
		check(is_utf8(span_str(error.text)));
	}
	command_fini(&command);
	return 0;
}
