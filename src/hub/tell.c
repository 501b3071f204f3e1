/*
 * tell.c - what the daemon itself says in its own rooms.
 */
#include <string.h>

#include "hub/hub.h"
#include "hub/hub_private.h"
#include "hub/publish.h"

bool
hub_tell(struct hub *hub, struct span room, struct span id, struct span json)
{
	const struct log_message message = {
	    .room = room,
	    .kind = LOG_JSON,
	    .id = id,
	    .payload = json,
	};
	struct log_receipt receipt;
	uint64_t retry_ms = 0;

	/* who has no socket cannot be stopped from reading; it is just not taken */
	if (hub->holding)
		return false;
	return hub_publish_any(hub, &message, &receipt, &retry_ms) == PUBLISH_OK;
}

size_t
hub_last_id(struct hub *hub, struct span room, char *id, size_t size)
{
	struct log_room in_log;
	struct log_record record;
	struct log_view view;
	uint64_t pos;

	/* lost: others write into it just now; nobody does for ever */
	for (unsigned tries = 0; tries < 100; tries++) {
		if (!chat_log_find_room(&hub->log, room, &in_log) ||
		    !chat_log_view(&hub->log, &in_log, &view) || view.head == view.tail ||
		    !chat_log_seek(&hub->log, &in_log, view.seq, &pos))
			return 0;
		if (chat_log_read(&hub->log, &in_log, pos, &record) != LOG_MESSAGE)
			continue;
		if (record.id_len > size)
			return 0;
		memcpy(id, record.id, record.id_len);
		return record.id_len;
	}
	return 0;
}
