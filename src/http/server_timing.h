/*
 * server_timing.h - Server-Timing (W3C): how long a request waited for the database, and how long
 * that took. Pure.
 */
#ifndef PLAZA_HTTP_SERVER_TIMING_H
#define PLAZA_HTTP_SERVER_TIMING_H

#include <stdint.h>

/* "Server-Timing: queue;dur=12.34, db;dur=0.80\r\n" with any two durations, and a terminator */
#define SERVER_TIMING_SIZE 96

/* Writes the line, terminated; returns where the terminator is. */
char *server_timing_put(char *p, uint64_t waited_us, uint64_t took_us);

#endif
