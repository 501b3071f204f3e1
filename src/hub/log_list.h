/*
 * log_list.h - doubly linked lists of the slots of a table in the log, by their numbers. Whoever
 * dies in here leaves a list that is made anew.
 */
#ifndef PLAZA_HUB_LOG_LIST_H
#define PLAZA_HUB_LOG_LIST_H

#include "hub/log_area.h"

/* Where slot 0 has its link; slots are `stride` apart. */
struct log_links {
	unsigned char *link;
	size_t stride;
};

/* Of a table whose slots are of type `type`. */
#define LOG_LINKS(slots, type, member) \
	((struct log_links){(unsigned char *)(slots) + offsetof(type, member), sizeof(type)})

static inline struct log_link *
list_link(const struct log_links *links, uint32_t number)
{
	return (struct log_link *)(void *)(links->link + number * links->stride);
}

void log_list_append(const struct log_links *links, struct log_list *list, uint32_t number);
void log_list_prepend(const struct log_links *links, struct log_list *list, uint32_t number);
void log_list_remove(const struct log_links *links, struct log_list *list, uint32_t number);
/* By a uint64_t, of which slot 0 has its at `keys`: rising; equal ones stay as they are. */
void log_list_sort(const struct log_links *links, struct log_list *list, const void *keys);

#endif
