/* tests/db_server_world.h - a server of the tests' own with a small shop in it, and its owner, who
 * sees what the agent's role must not change. What differs between MariaDB and PostgreSQL stands in
 * one table; MySQL is as MariaDB, but for its name. */
#ifndef DB_SERVER_WORLD_H
#define DB_SERVER_WORLD_H
#include "env/db/server_impl.h"
#include "env/env.h"
#include "private_server.h"

/* Statements are ended by NULL. */
typedef struct {
    private_server_kind kind;
    const char *name;           /* of the test: "mariadb" */
    const char *nowhere;        /* an address that no server has */
    const char *shop[6];        /* the tables */
    const char *view;           /* rows, tables and places: what must never change */
    const char *connections;    /* of the agents' role */
    const char *places;         /* cmat's, with commas between them */
    const char *roles[7];       /* the roles wide and filer, which have too many rights */
    const char *owner;          /* the superuser */
    const char *slow;           /* a statement without end */
    const char *shown, *quoted; /* in a prompt: the server's name, a name with a space */
    const char *own;            /* the place of the user's tables */
    const char *lower_case;     /* of SUM(Points) FROM `race results` */
    const char *set_schema;     /* what ALTER TABLE ... SET SCHEMA gets */
} db_dialect;
extern const db_dialect db_dialects[2];

extern const db_dialect *db_world_dialect; /* to be set before a group of tests begins */
/* The group's server; NULL: none here (a line says why), its tests are skipped. */
extern const private_server *db_world_server;
int db_world_start(void **state); /* a group's setup and teardown */
int db_world_stop(void **state);

/* Runs the owner's statements (ended by NULL); the last one's first cell, the caller's to free().
 */
char *db_world_do(const char *const *sql);
/* By the dialect's view and places; the caller's to free(). */
char *db_world_view(void);
char *db_world_places(void);
/* Connections of the agents' role; they end a moment after they are closed. */
int db_world_connections(void);
#endif
