/*
 * parts.h - a group has failed: who of it is sent again, and in whose company. Pure; no answers.
 */
#ifndef PLAZA_PG_PARTS_H
#define PLAZA_PG_PARTS_H

#include <stdbool.h>

#include "pg/batch.h"

enum parts {
	PARTS_HERE,
	PARTS_ELSEWHERE /* this connection or its prepared statements are to blame */
};

/*
 * Both move those that are to be sent again to the end of `again`, in the order in which they had
 * better be sent, and leave those that are to be answered.
 */

/* An error that rolled the group back for certain: landed->group.error. */
enum parts parts_failed(struct landed *landed, struct request_list *again);

/* The connection was lost. `is_unknown`: maybe after the group had been committed. */
void parts_lost(struct landed *landed, bool is_unknown, struct request_list *again);

#endif
