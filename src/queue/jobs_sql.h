/*
 * jobs_sql.h - what the schema steps of the jobs make, as SQL in which @ is the schema.
 */
#ifndef PLAZA_QUEUE_JOBS_SQL_H
#define PLAZA_QUEUE_JOBS_SQL_H

extern const char jobs_sql_tables[];
extern const char jobs_sql_partitions[]; /* days and partitions */
extern const char jobs_sql_put[];
extern const char jobs_sql_claim[];
extern const char jobs_sql_finish[];
extern const char jobs_sql_extend[]; /* and parts, and beats */
extern const char jobs_sql_get[];
extern const char jobs_sql_cancel[]; /* and retry */
extern const char jobs_sql_rescue[]; /* and promote */
extern const char jobs_sql_ready_id[];
extern const char jobs_sql_is_full[];
extern const char jobs_sql_keep[];
extern const char jobs_sql_sweep[];
extern const char jobs_sql_set[]; /* of queues, and which are full */
extern const char jobs_sql_enqueue[];

#endif
