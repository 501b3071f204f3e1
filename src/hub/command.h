/*
 * command.h - what a client of chat.v1.json may say: one JSON text, read into a command or an error
 * that can be answered as it is. Pure.
 */
#ifndef PLAZA_HUB_COMMAND_H
#define PLAZA_HUB_COMMAND_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/span.h"
#include "hub/history.h"
#include "hub/log.h"
#include "hub/room.h"

/* `code` of an event `err`. */
enum command_code {
	CODE_BAD_REQUEST,
	CODE_UNKNOWN_TYPE,
	CODE_BAD_ROOM,
	CODE_NOT_JOINED,
	CODE_ALREADY_JOINED,
	CODE_DENIED,
	CODE_TOO_BIG,
	CODE_RATE,
	CODE_LIMIT,
	CODE_NO_HISTORY,
	CODE_UNAVAILABLE,
	CODE_INTERNAL
};
const char *command_code_name(enum command_code code);

struct command_error {
	enum command_code code;
	char text[240]; /* what is wrong and what is accepted */
};

enum command_type {
	COMMAND_JOIN,
	COMMAND_PUB,
	COMMAND_HISTORY,
	COMMAND_PRESENCE,
	COMMAND_LEAVE,
	COMMAND_PING
};

enum command_slow { SLOW_AS_CONFIGURED, SLOW_CLOSE, SLOW_SKIP };
enum command_pres { PRES_NONE, PRES_COUNT, PRES_DIFF };

/* Members on a page of `presence`. */
#define COMMAND_MEMBERS     100 /* if nobody says */
#define COMMAND_MEMBERS_MAX 200
/* Bytes of a ping's `x`, which comes back. */
#define COMMAND_ECHO_MAX 1024

struct command {
	enum command_type type;
	bool has_id;
	uint32_t id;
	struct span room; /* valid; of all but ping */
	union {
		struct {
			struct join_wish from;
			struct span name; /* or empty */
			enum command_slow slow;
			enum command_pres pres;
		} join;
		struct {
			enum log_kind kind; /* LOG_TEXT, LOG_JSON */
			struct span data;
			struct span cid; /* or empty */
		} pub;
		struct history_wish history;
		struct {
			uint64_t offset, limit;
		} presence;
		struct span echo; /* of ping: compact JSON, or empty */
	};
	/* where the spans point to */
	json_t *json;
	struct buffer compact;
};

/*
 * Reads a text of at most `max` bytes, which must stay until command_fini; that is due in any case.
 * False with `error` told; the id, if there is one, is set then, too.
 */
bool command_read(struct command *command, struct span text, size_t max,
		  struct command_error *error) __attribute__((warn_unused_result));
void command_fini(struct command *command);

#endif
