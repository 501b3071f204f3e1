/*
 * notify.h - sd_notify(3) and LISTEN_FDS without libsystemd: a datagram and three variables.
 */
#ifndef PLAZA_PROC_NOTIFY_H
#define PLAZA_PROC_NOTIFY_H

/* Sends "READY=1\nSTATUS=..." and the like to $NOTIFY_SOCKET; nothing without one. */
void notify_send(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* "RELOADING=1" with MONOTONIC_USEC, as one datagram. */
void notify_reloading(void);

/* sd_listen_fds(3): the first descriptor that is handed in */
#define LISTEN_FDS_START 3

/*
 * Sockets handed in (sd_listen_fds(3)): returns how many, from LISTEN_FDS_START on, close-on-exec
 * set; 0 when LISTEN_PID is not this process. `names` gets LISTEN_FDNAMES ("" when unset), valid
 * until the next call. Clears the variables of both protocols, which children must not see;
 * NOTIFY_SOCKET stays known here.
 */
int notify_listen_fds(const char **names);

#endif
