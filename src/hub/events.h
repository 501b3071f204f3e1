/*
 * events.h - GET /chat/{room}/events: a room as a stream of server-sent events, for whoever listens
 * by HTTP alone. A stream is a member of its room like a WebSocket; its wire is WIRE_EVENTS.
 */
#ifndef PLAZA_HUB_EVENTS_H
#define PLAZA_HUB_EVENTS_H

#include "http/route.h"

struct events;
struct hub;

/* NULL on out-of-memory, logged. */
struct events *events_new(struct hub *hub);
/* The front door has closed its connections before: no stream is left. */
void events_free(struct events **events);
void events_add_routes(struct events *events, struct route_table *routes);

/*
 * Ends every stream, each after a notice by which clients come back at different times; whoever
 * comes from now on is told to come back as well.
 */
void events_end_all(struct events *events);

#endif
