/*
 * wish.h - what the query of a chat URL asks for: ?mode=json, ?last=N, ?since=<epoch>:<seq>.
 */
#ifndef PLAZA_HUB_WISH_H
#define PLAZA_HUB_WISH_H

#include <stdbool.h>

#include "http/exchange.h"
#include "hub/room.h"

struct url_wish {
	bool is_json;
	struct join_wish from; /* `since` wins over `last` */
};

/*
 * Names that are none of these are passed over: pages have their own. False: what is wrong has been
 * answered (400).
 */
bool wish_read(struct exchange *x, struct url_wish *wish) __attribute__((warn_unused_result));

/* A position that came some other way, as Last-Event-ID. False as above. */
bool wish_read_since(struct exchange *x, struct span text, struct join_wish *from)
    __attribute__((warn_unused_result));

#endif
